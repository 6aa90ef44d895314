"""Compile one kernel and call it: what the kernel tests share."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from burnish.target import LEVELS, Target
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.codegen import compile_module, target_machine

TARGETS = tuple(Target("cpu", level) for level in LEVELS)


@functools.cache
def runnable(target: Target) -> bool:
    """Does this machine have what the target needs?"""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        flags = next(line for line in file if line.startswith("flags")).split()
    return set(target.needed_flags) <= set(flags)


BEST = max((t for t in TARGETS if runnable(t)), key=lambda t: t.vector_bytes)


def on_machines(targets: Iterable[Target] = TARGETS) -> list[Any]:
    """A parameter for each target; those that this machine lacks are skipped."""
    skipped = pytest.mark.skip("this machine lacks it")
    return [pytest.param(t, id=str(t), marks=[] if runnable(t) else skipped) for t in targets]


class Compiled:
    """A kernel in memory. Call it with one array (or address) per slot."""

    def __init__(self, function: Callable[[KernelContext], ir.Function], target: Target, symbols: Sequence[str] = ()):
        self.module = ir.Module("test")
        context = KernelContext(self.module, target, {s: n for n, s in enumerate(symbols)})
        kernel = function(context)
        kernel.linkage = ""
        self.code = compile_module(self.module, target)
        self._jit = llvm.create_lljit_compiler(target_machine(target))
        builder = llvm.JITLibraryBuilder().add_object_img(self.code).export_symbol(kernel.name)
        self._library = builder.link(self._jit, kernel.name)
        words = [ctypes.c_void_p] * (len(kernel.args) - 2) + [ctypes.c_int64] * 2
        self._call = ctypes.CFUNCTYPE(None, *words)(self._library[kernel.name])
        self._symbols = tuple(symbols)

    def __call__(
        self,
        slots: Sequence[np.ndarray[Any, Any] | int],
        dims: Mapping[str, int] | None = None,
        threads: int = 1,
        scratch_bytes: int = 1 << 16,
        only: int | None = None,
    ) -> None:
        """Run every thread's part, one after the other (or one thread's only)."""
        table = np.array([(dims or {})[s] for s in self._symbols] or [0], np.int64)
        addresses = [s if isinstance(s, int) else s.ctypes.data for s in slots]
        for thread in range(threads) if only is None else [only]:
            scratch = aligned(scratch_bytes)
            self._call(*addresses, table.ctypes.data, scratch.ctypes.data, thread, threads)


def aligned(size_bytes: int) -> np.ndarray[Any, Any]:
    """Bytes at a 64-byte boundary."""
    raw = np.zeros(size_bytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size_bytes]


def undefined_symbols(code: bytes) -> list[str]:
    """The names that an ELF object wants from outside."""
    table = {}
    offset, count = int.from_bytes(code[40:48], "little"), int.from_bytes(code[60:62], "little")
    for n in range(count):
        header = np.frombuffer(code, np.uint64, 8, offset + 64 * n)
        kind = int(np.frombuffer(code, np.uint32, 2, offset + 64 * n)[1])
        table[n] = kind, int(header[3]), int(header[4]), int(header[5]) & 0xFFFFFFFF
    found = []
    for kind, start, size, link in table.values():
        if kind != 2:
            continue
        names = table[link][1]
        for at in range(start + 24, start + size, 24):
            name, section = int.from_bytes(code[at : at + 4], "little"), int.from_bytes(code[at + 6 : at + 8], "little")
            if section == 0:
                end = code.index(b"\0", names + name)
                found.append(code[names + name : end].decode())
    return found
