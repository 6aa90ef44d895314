"""A driver without a GPU. It uses host memory and records every call, and any call can be made to fail.

With it the device `cuda` runs everywhere: loading, memory, order of launches, captures, graphs. A launch calls
`on_launch` with the kernel (its cubin and entry), its grid and its parameters. Addresses in the parameters are
addresses in host memory.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.devices.cuda.driver import Facts, Parameter
from burnish.devices.cuda.failure import LOST, failure
from burnish.errors import BurnishError
from burnish.plan.native_abi import GPU_ALIGN_BYTES

MICROSECONDS_A_LAUNCH = 1000.0
# the driver's answer to a call that was told to fail
_ANSWERS = {
    "allocate": (2, "CUDA_ERROR_OUT_OF_MEMORY"),
    "allocate_pinned": (2, "CUDA_ERROR_OUT_OF_MEMORY"),
    "load": (200, "CUDA_ERROR_INVALID_IMAGE"),
    "function": (500, "CUDA_ERROR_NOT_FOUND"),
    "end_capture": (901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"),
}
_OTHERWISE = (719, "CUDA_ERROR_LAUNCH_FAILED")


@dataclass(frozen=True, slots=True)
class NullFunction:
    """A kernel: the bytes of its cubin, and its name."""

    code: bytes
    entry: str


@dataclass(frozen=True, slots=True)
class NullLaunch:
    """A launch as it was prepared."""

    function: NullFunction
    grid: tuple[int, int, int]
    threads: int
    shared_bytes: int
    parameters: tuple[Parameter, ...]
    overlaps: bool
    stream: int


@dataclass
class _Event:
    milliseconds: float = 0.0


OnLaunch = Callable[[NullFunction, tuple[int, int, int], tuple[Parameter, ...]], None]


@dataclass
class NullDriver:
    """See cuda.driver.Driver.

    faults  {"allocate": 3}: the third allocation fails, as the real one would; any method's name works. After a
            fault that loses a GPU (a copy, a launch) everything else fails too
    calls   every call in order, as (name, its main fact); counts: the number of calls of each name
    held    allocations, streams, events, modules, graphs that were not released
    """

    facts: Facts = field(default_factory=lambda: Facts("null", (9, 0), 13000, 132, 141 << 30, 232448))
    faults: Mapping[str, int] = field(default_factory=dict)
    on_launch: OnLaunch | None = None
    number: int = 0
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._memory: dict[int, np.ndarray[Any, Any]] = {}
        self._captured: dict[int, list[Any]] = {}
        self._lost: BurnishError | None = None
        self._handles, self._clock = 2, 0.0

    def current(self) -> NullDriver:
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def held_bytes(self) -> int:
        return sum(len(m) - GPU_ALIGN_BYTES for m in self._memory.values())

    def allocation(self, address: int) -> tuple[int, int]:
        """The start of the allocation that contains an address, and its bytes."""
        sizes = {start: len(m) - GPU_ALIGN_BYTES for start, m in self._memory.items()}
        return next((start, size) for start, size in sizes.items() if start <= address < start + size)

    def memory(self) -> tuple[int, int]:
        return self.facts.memory_bytes - self.held_bytes, self.facts.memory_bytes

    def allocate(self, size_bytes: int) -> int:
        return self._allocate("allocate", size_bytes)

    def free(self, address: int) -> None:
        self._free("free", address, "allocate")

    def allocate_pinned(self, size_bytes: int) -> int:
        return self._allocate("allocate_pinned", size_bytes)

    def free_pinned(self, address: int) -> None:
        self._free("free_pinned", address, "allocate_pinned")

    def upload(self, address: int, host: int, size_bytes: int) -> None:
        self._copy("upload", address, host, size_bytes, address)

    def download(self, host: int, address: int, size_bytes: int) -> None:
        self._copy("download", host, address, size_bytes, address)

    def copy_in(self, address: int, pinned: int, size_bytes: int, stream: int) -> None:
        self._copy("copy_in", address, pinned, size_bytes, address, pinned)

    def copy_out(self, pinned: int, address: int, size_bytes: int, stream: int) -> None:
        self._copy("copy_out", pinned, address, size_bytes, address, pinned)

    def copy(self, target: int, source: int, size_bytes: int, stream: int) -> None:
        self._copy("copy", target, source, size_bytes)

    def zero(self, address: int, size_bytes: int, stream: int) -> None:
        self._note("zero", size_bytes)
        self._demand(address, size_bytes)
        ctypes.memset(address, 0, size_bytes)

    def load(self, code: Any) -> bytes:
        self._note("load", len(code))
        self.held["module"] += 1
        return bytes(code)

    def unload(self, module: Any) -> None:
        self._note("unload")
        self.held["module"] -= 1

    def function(self, module: bytes, entry: str, shared_bytes: int) -> NullFunction:
        self._note("function", entry, shared_bytes)
        return NullFunction(module, entry)

    def prepare(
        self,
        function: NullFunction,
        grid: tuple[int, int, int],
        threads: int,
        shared_bytes: int,
        parameters: Sequence[Parameter],
        overlaps: bool,
        stream: int,
    ) -> NullLaunch:
        found = NullLaunch(function, grid, threads, shared_bytes, tuple(parameters), overlaps, stream)
        self._note("prepare", function.entry)
        return found

    def launch(self, prepared: NullLaunch) -> None:
        if (captured := self._captured.get(prepared.stream)) is not None:
            self._note("capture", prepared)
            captured.append(prepared)
        else:
            self._note("launch", prepared)
            self._do(prepared)

    def stream(self) -> int:
        self._note("stream")
        self._handles += 1
        self.held["stream"] += 1
        return self._handles

    def destroy_stream(self, stream: int) -> None:
        self._note("destroy_stream")
        self.held["stream"] -= 1

    def synchronize(self, stream: int) -> None:
        self._note("synchronize", stream)

    def synchronize_all(self) -> None:
        self._note("synchronize_all")

    def event(self, is_timed: bool = False) -> _Event:
        self._note("event")
        self.held["event"] += 1
        return _Event()

    def destroy_event(self, event: Any) -> None:
        self._note("destroy_event")
        self.held["event"] -= 1

    def record(self, event: _Event, stream: int) -> None:
        self._note("record", stream)
        if (captured := self._captured.get(stream)) is not None:
            captured.append(event)
        event.milliseconds = self._clock

    def wait_for(self, event: Any, stream: int) -> None:
        self._note("wait_for", stream)

    def synchronize_event(self, event: Any) -> None:
        self._note("synchronize_event")

    def elapsed(self, start: _Event, end: _Event) -> float:
        return end.milliseconds - start.milliseconds

    def begin_capture(self, stream: int) -> None:
        self._note("begin_capture", stream)
        self._captured[stream] = []

    def end_capture(self, stream: int) -> list[Any]:
        self._note("end_capture", stream)
        self.held["graph"] += 1
        return self._captured.pop(stream)

    def abandon_capture(self, stream: int) -> None:
        self._captured.pop(stream, None)

    def launch_graph(self, graph: list[Any], stream: int) -> None:
        self._note("launch_graph", len(graph))
        for item in graph:
            if isinstance(item, _Event):
                item.milliseconds = self._clock
            else:
                self._do(item)

    def destroy_graph(self, graph: Any) -> None:
        self._note("destroy_graph")
        self.held["graph"] -= 1

    def _do(self, prepared: NullLaunch) -> None:
        self._clock += MICROSECONDS_A_LAUNCH / 1000
        if self.on_launch is not None:
            self.on_launch(prepared.function, prepared.grid, prepared.parameters)

    def _note(self, name: str, *what: object) -> None:
        """Record one more call of this name. Fails if a fault was requested for it, or if the GPU is lost."""
        self.calls.append((name, *what))
        self.counts[name] += 1
        if self._lost is not None:
            raise self._lost
        if self.counts[name] == self.faults.get(name):
            number, answer = _ANSWERS.get(name, _OTHERWISE)
            error = failure(number, answer, f"{name} (a test asked for this)", "the null gpu")
            if number in LOST:
                self._lost = error
            raise error

    def _allocate(self, name: str, size_bytes: int) -> int:
        self._note(name, size_bytes)
        raw = np.full(size_bytes + GPU_ALIGN_BYTES, 0xFF, np.uint8)  # NaNs: reading unwritten memory is noticed
        address = -(-raw.ctypes.data // GPU_ALIGN_BYTES) * GPU_ALIGN_BYTES
        self._memory[address] = raw
        self.held[name] += 1
        return address

    def _free(self, name: str, address: int, what: str) -> None:
        self._note(name)
        del self._memory[address]
        self.held[what] -= 1

    def _copy(self, name: str, target: int, source: int, size_bytes: int, *ours: int) -> None:
        self._note(name, size_bytes)
        for address in ours:
            self._demand(address, size_bytes)
        ctypes.memmove(target, source, size_bytes)

    def _demand(self, address: int, size_bytes: int) -> None:
        """Check that the bytes lie in memory that this driver allocated and has not freed."""
        assert any(a <= address and address + size_bytes <= a + len(m) for a, m in self._memory.items()), "bad address"
