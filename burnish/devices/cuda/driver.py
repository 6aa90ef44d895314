"""The protocol of NVIDIA's driver for the device `cuda`. bindings.py calls the real one, null/driver.py simulates one.

Addresses and handles are integers or opaque objects that only the driver looks into. Any call may raise E520 (no
memory), E524 (the GPU is lost) or E526 (it refuses).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from burnish.dtypes import DType


@dataclass(frozen=True, slots=True)
class Address:
    """A pointer parameter."""

    value: int


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer parameter of `bits` 32 or 64."""

    value: int
    bits: int = 32


@dataclass(frozen=True, slots=True)
class TensorMap:
    """A tensor as the copy engine sees it. Strides are in elements, outer to inner; the last one is 1."""

    address: int
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    box: tuple[int, ...]
    steps: tuple[int, ...]
    swizzle: int  # bytes


Parameter = Address | Integer | TensorMap


@dataclass(frozen=True, slots=True)
class Facts:
    """capability: (9, 0); cuda: the newest version the driver knows, 13000; shared_bytes: the most for one block;
    uuid: the GPU's (or that of the part of one that this process was given), in hexadecimal digits.
    """

    name: str
    capability: tuple[int, int]
    cuda: int
    multiprocessors: int
    memory_bytes: int
    shared_bytes: int
    uuid: str = ""


class Driver(Protocol):
    """One GPU of this machine, and one context on it."""

    @property
    def number(self) -> int: ...

    @property
    def facts(self) -> Facts: ...

    def current(self) -> AbstractContextManager[object]:
        """Inside, this thread's calls go to this GPU. Everything below is called inside."""

    # memory

    def memory(self) -> tuple[int, int]:
        """(free, total) bytes."""

    def allocate(self, size_bytes: int) -> int: ...

    def free(self, address: int) -> None: ...

    def allocate_pinned(self, size_bytes: int) -> int:
        """Host memory that the GPU can copy from and to directly."""

    def free_pinned(self, address: int) -> None: ...

    def upload(self, address: int, host: int, size_bytes: int) -> None:
        """Copy from any host memory. The copy is complete at return."""

    def download(self, host: int, address: int, size_bytes: int) -> None:
        """Copy to any host memory. The copy is complete at return; its source must be complete before."""

    def copy_in(self, address: int, pinned: int, size_bytes: int, stream: int) -> None: ...

    def copy_out(self, pinned: int, address: int, size_bytes: int, stream: int) -> None: ...

    def copy(self, target: int, source: int, size_bytes: int, stream: int) -> None: ...

    def zero(self, address: int, size_bytes: int, stream: int) -> None: ...

    # code

    def load(self, code: Any) -> Any:
        """A cubin as a module. E531 if it is damaged or for another GPU."""

    def unload(self, module: Any) -> None: ...

    def function(self, module: Any, entry: str, shared_bytes: int) -> Any:
        """A kernel that may use this much shared memory. E531 if there is none of this name."""

    def prepare(
        self,
        function: Any,
        grid: tuple[int, int, int],
        threads: int,
        shared_bytes: int,
        parameters: Sequence[Parameter],
        overlaps: bool,
        stream: int,
    ) -> Any:
        """A launch with all its parameters packed, to be done any number of times."""

    def launch(self, prepared: Any) -> None: ...

    # streams, events, graphs

    def stream(self) -> int: ...

    def destroy_stream(self, stream: int) -> None: ...

    def synchronize(self, stream: int) -> None: ...

    def synchronize_all(self) -> None:
        """Wait for all work of all streams of this process on this GPU."""

    def event(self, is_timed: bool = False) -> Any: ...

    def destroy_event(self, event: Any) -> None: ...

    def record(self, event: Any, stream: int) -> None:
        """During a capture: the graph records the event each time it runs."""

    def wait_for(self, event: Any, stream: int) -> None:
        """Make the stream wait until the event has happened."""

    def synchronize_event(self, event: Any) -> None: ...

    def elapsed(self, start: Any, end: Any) -> float:
        """Milliseconds between two events that have happened."""

    def begin_capture(self, stream: int) -> None:
        """From now on, work given to this stream is recorded instead of executed."""

    def end_capture(self, stream: int) -> Any:
        """The graph of the recorded work, ready to run."""

    def abandon_capture(self, stream: int) -> None:
        """Discard the recorded work."""

    def launch_graph(self, graph: Any, stream: int) -> None: ...

    def destroy_graph(self, graph: Any) -> None: ...
