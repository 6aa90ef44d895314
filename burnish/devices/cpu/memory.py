"""Memory of this process for a session. It is aligned and zeroed when new; constants are used in place."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

from burnish.devices.array import array_at
from burnish.devices.cpu.processor import memory_bytes
from burnish.errors import EnvironmentProblem
from burnish.plan.native_abi import STORAGE_ALIGN_BYTES

_HUGE_PAGE_BYTES = 2 << 20


class CpuMemory:
    """Bytes of this process. It keeps their owner alive."""

    __slots__ = ("_owner", "address", "size_bytes")

    def __init__(self, address: int, size_bytes: int, owner: object) -> None:
        self.address, self.size_bytes, self._owner = address, size_bytes, owner

    def zero(self, size_bytes: int) -> None:
        ctypes.memset(self.address, 0, size_bytes)

    def fill(self, offset: int, size_bytes: int, byte: int) -> None:
        ctypes.memset(self.address + offset, byte, size_bytes)

    def array(self, dtype: Any, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        found = array_at(self.address, np.dtype(dtype), shape, owner=self)
        assert found.nbytes <= self.size_bytes, f"{found.nbytes} bytes asked of {self.size_bytes}"
        return found


def allocate(size_bytes: int) -> CpuMemory:
    """Zeroed memory. Large blocks get their own pages (huge pages if available), provided at first touch."""
    if size_bytes < mmap.PAGESIZE:
        raw = np.zeros(size_bytes + STORAGE_ALIGN_BYTES, np.uint8)
        address = -(-raw.ctypes.data // STORAGE_ALIGN_BYTES) * STORAGE_ALIGN_BYTES
        return CpuMemory(address, size_bytes, raw)
    try:
        pages = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError, ValueError) as error:
        raise _no_memory(size_bytes) from error
    if size_bytes >= _HUGE_PAGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        _advise(pages, mmap.MADV_HUGEPAGE)
    return CpuMemory(ctypes.addressof(ctypes.c_char.from_buffer(pages)), size_bytes, pages)


def constant(blob: Any) -> CpuMemory:
    """Used in place if it is 64-byte aligned, as it is in a plan's file; else copied."""
    content = np.frombuffer(blob, np.uint8)
    address = content.ctypes.data
    if address % STORAGE_ALIGN_BYTES == 0:
        return CpuMemory(address, content.nbytes, content)
    memory = allocate(max(content.nbytes, 1))
    ctypes.memmove(memory.address, address, content.nbytes)
    return memory


def _advise(pages: mmap.mmap, advice: int) -> None:
    try:
        pages.madvise(advice)
    except OSError:  # a kernel without huge pages: ordinary ones will do
        return


def _no_memory(size_bytes: int) -> EnvironmentProblem:
    return EnvironmentProblem(
        "E520",
        f"cannot allocate {size_bytes / 2**20:.1f} MiB",
        why=f"the machine has {memory_bytes() / 2**20:.0f} MiB in all",
        hint="lower the profile's maximum shapes, or make fewer contexts",
    )
