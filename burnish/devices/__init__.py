"""Devices: where plans run. `Device` is what the runtime asks for; cpu/, cuda/ and null/ have one each.

A device *installs* a plan's variant (code and constants, shared), and an installed variant opens *sessions*: one
caller's memory and queue of work. What differs between a processor and a GPU stays behind these protocols: the runtime
never asks which it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from burnish.plan.manifest import KernelStep, NativeStep, TensorSpec, Variant
from burnish.plan.plan import Plan
from burnish.target import Target

__all__ = ["Call", "Clock", "DataRun", "Device", "Installed", "Launches", "Memory", "Session", "Stopwatch", "Team"]

Array = Any  # numpy.ndarray, or devices.array.DeviceArray where the session says so
Launches = tuple[NativeStep | KernelStep, ...]


class Memory(Protocol):
    """A run of bytes on the device, until it is dropped. `address` is what goes into the buffer table."""

    @property
    def address(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...


class Team(Protocol):
    """What runs native segments of one plan for one context."""

    def launch(self, segment: int, buffers: int, dims: int, profile: int) -> None:
        """Run a segment to its end; addresses of the tables of docs/native-abi.md (`profile` may be 0)."""

    def close(self) -> None:
        """Let go of the threads. Launching afterwards is an error; closing twice is not."""


class Stopwatch(Protocol):
    """Times every launch of the runs that it watches."""

    def end_run(self) -> None:
        """One more run is complete."""

    def milliseconds(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """[run, launch]"""


class Call(Protocol):
    """What a call asks of a session; storages go by the variant's numbers.

    A call is: bind (if its shapes are new), feed, place for each output, launch (and what stands between launches),
    then finish; or deliver, and later wait.
    """

    def bind(self, values: Mapping[str, int]) -> None:
        """New shapes: everything that they decide is worked out, and halos are zeroed."""

    def feed(self, arrays: Sequence[Array]) -> None:
        """The inputs, in the manifest's order; they stay as they are until the call is over."""

    def adopt(self, value: object, spec: TensorSpec, role: str) -> Array | None:
        """A foreign tensor in this device's memory, as an array; None for what does not lie there."""

    def fresh(self, number: int, shape: tuple[int, ...], dtype: np.dtype[Any], on_device: bool) -> Array:
        """A new array, for what the plan writes into this storage."""

    def place(self, number: int, array: Array) -> None:
        """What the plan writes into this storage goes into the caller's array."""

    def launch(self, steps: Launches) -> None:
        """All of them, in order."""

    def finish(self) -> None:
        """Deliver and wait."""

    def deliver(self) -> None:
        """No more steps in this call: results are to go to their arrays."""

    def wait(self) -> None:
        """Until every result is in its array."""

    def mark(self) -> object:
        """What was asked of the session until now."""

    def join(self, stream: int, mark: object) -> None:
        """Make a stream of the caller's wait for the mark."""


class DataRun(Protocol):
    """What stands between the launches of a run in which data decides sizes or steps."""

    def begin(self) -> None:
        """A run with more than launches begins: dynamic storages are without memory."""

    def learn(self, name: str, value: int) -> None:
        """Data has decided a symbol."""

    def allocate(self, number: int, size_bytes: int) -> None:
        """Memory for a dynamic storage, for this run."""

    def truth(self, number: int) -> bool:
        """The bool at the storage's byte 0."""

    def read(self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """What the storage holds, to be looked at before the next step."""

    def write(self, number: int, array: np.ndarray[Any, Any]) -> None:
        """Fill the storage."""

    def collect(
        self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...], into: Array | None, on_device: bool
    ) -> Array:
        """What the storage holds at the end of the run, in the caller's array or one that the caller may keep."""


class Clock(Protocol):
    """What measuring asks of a session."""

    def watch(self) -> Stopwatch:
        """From now on the launches are timed, until `unwatch`."""

    def unwatch(self) -> None: ...

    def time(self, steps: Launches, repeats: int) -> list[float]:
        """Milliseconds of each of `repeats` runs of these launches on what memory holds, back to back."""


class Session(Call, DataRun, Clock, Protocol):
    """One caller's memory and queue of work."""

    def close(self) -> None:
        """Let go of memory and threads. Closing twice is harmless."""


class Installed(Protocol):
    """A variant's code and constants on a device."""

    def session(self, threads: int) -> Session:
        """E520 if there is not enough memory."""

    def close(self) -> None:
        """Let go of them when the last session closes. Closing twice is harmless."""


class Device(Protocol):
    """A place where plans run."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str:
        """What every process of this machine calls it, whichever other devices that process sees."""

    def missing(self, target: Target) -> list[str]:
        """What code for the target needs and this device lacks; empty: it runs here."""

    def callers(self, threads: int) -> int:
        """How many calls at once are worth having, with this many threads each."""

    def upload(self, array: np.ndarray[Any, Any]) -> Array:
        """A copy in the device's memory, for calls to read and to write."""

    def install(self, plan: Plan, variant: Variant) -> Installed:
        """Code and constants, ready. E520 not enough memory, E531 damaged code."""
