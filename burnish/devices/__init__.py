"""Devices: where plans run. The runtime uses the protocol `Device`; cpu/, cuda/ and null/ each implement it.

A device *installs* a plan's variant (code and constants, shared), and an installed variant opens *sessions*. A session
is one caller's memory and queue of work. The differences between a processor and a GPU stay behind these protocols: the
runtime never asks which one it uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from burnish.plan.manifest import KernelStep, NativeStep, TensorSpec, Variant
from burnish.plan.plan import Plan
from burnish.target import Target

__all__ = ["Call", "Clock", "DataRun", "Device", "Installed", "Launches", "Memory", "Session", "Stopwatch", "Team"]

Array = Any  # numpy.ndarray, or a DeviceArray for sessions that support it
Launches = tuple[NativeStep | KernelStep, ...]


class Memory(Protocol):
    """A block of bytes on the device. It lives until it is dropped. `address` goes into the buffer table."""

    @property
    def address(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...


class Team(Protocol):
    """The threads that run native segments of one plan for one context."""

    def launch(self, segment: int, buffers: int, dims: int, profile: int) -> None:
        """Run a segment to its end; addresses of the tables of docs/native-abi.md (`profile` may be 0)."""

    def close(self) -> None:
        """Release the threads. Launching afterwards is an error; closing twice is not."""


class Stopwatch(Protocol):
    """Times every launch of the runs that it watches."""

    def end_run(self) -> None:
        """One more run is complete."""

    def milliseconds(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """[run, launch]"""


class Call(Protocol):
    """The operations of a session during a call. Storages are named by their numbers in the variant.

    The order of a call: bind (if its shapes are new), feed, place for each output, launch (and the steps between
    launches), then finish; or deliver, and wait later.
    """

    def bind(self, values: Mapping[str, int]) -> None:
        """Set new shapes: compute everything that depends on them, and zero the halos."""

    def feed(self, arrays: Sequence[Array]) -> None:
        """Pass the inputs, in the manifest's order. They must not change until the call is over."""

    def adopt(self, value: object, spec: TensorSpec, role: str) -> Array | None:
        """A foreign tensor in this device's memory, as an array; None if it lies elsewhere."""

    def fresh(self, number: int, shape: tuple[int, ...], dtype: np.dtype[Any], on_device: bool) -> Array:
        """A new array to receive the content that the plan writes to this storage."""

    def place(self, number: int, array: Array) -> None:
        """Send the content that the plan writes to this storage into the caller's array."""

    def launch(self, steps: Launches) -> None:
        """Launch all of them, in order."""

    def finish(self) -> None:
        """Deliver and wait."""

    def deliver(self) -> None:
        """The call has no more steps: start moving results into their arrays."""

    def wait(self) -> None:
        """Until every result is in its array."""

    def mark(self) -> object:
        """A mark after all work given to the session so far."""

    def join(self, stream: int, mark: object) -> None:
        """Make a stream of the caller's wait for the mark."""


class DataRun(Protocol):
    """The operations between the launches of a run, for plans where data decides sizes or steps."""

    def begin(self) -> None:
        """Begin a run that has more than launches. Dynamic storages have no memory yet."""

    def learn(self, name: str, value: int) -> None:
        """Data has decided a symbol."""

    def allocate(self, number: int, size_bytes: int) -> None:
        """Memory for a dynamic storage, for this run."""

    def truth(self, number: int) -> bool:
        """Read the bool at the storage's byte 0."""

    def read(self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """Read the storage's content before the next step."""

    def write(self, number: int, array: np.ndarray[Any, Any]) -> None:
        """Fill the storage."""

    def collect(
        self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...], into: Array | None, on_device: bool
    ) -> Array:
        """The storage's content at the end of the run, in the caller's array or in one that the caller may keep."""


class Clock(Protocol):
    """The operations of a session for measuring."""

    def watch(self) -> Stopwatch:
        """From now on the launches are timed, until `unwatch`."""

    def unwatch(self) -> None: ...

    def time(self, steps: Launches, repeats: int) -> list[float]:
        """Milliseconds of each of `repeats` back-to-back runs of these launches, on the current content of memory."""


class Session(Call, DataRun, Clock, Protocol):
    """One caller's memory and queue of work."""

    def close(self) -> None:
        """Release memory and threads. Closing twice is harmless."""


class Installed(Protocol):
    """A variant's code and constants on a device."""

    def session(self, threads: int) -> Session:
        """E520 if there is not enough memory."""

    def close(self) -> None:
        """Release code and constants when the last session closes. Closing twice is harmless."""


class Device(Protocol):
    """A place where plans run."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str:
        """The device's name, the same in every process of this machine, whichever other devices that process sees."""

    def missing(self, target: Target) -> list[str]:
        """The features that the target's code needs and this device lacks. Empty: the code runs here."""

    def callers(self, threads: int) -> int:
        """The number of concurrent calls that is useful if each has this many threads."""

    def upload(self, array: np.ndarray[Any, Any]) -> Array:
        """A copy in the device's memory, for calls to read and to write."""

    def install(self, plan: Plan, variant: Variant) -> Installed:
        """Code and constants, ready. E520 not enough memory, E531 damaged code."""
