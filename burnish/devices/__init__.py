"""Devices: allocate, load code, launch. `Device` is what the runtime asks for; cpu.py and null.py are two of them."""

from __future__ import annotations

from typing import Any, Protocol

from burnish.target import Target

__all__ = ["Device", "Memory", "Team"]


class Memory(Protocol):
    """A run of bytes on the device, until it is dropped. `address` is what goes into the buffer table."""

    @property
    def address(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...

    def zero(self, size_bytes: int) -> None:
        """Zero the first bytes."""

    def array(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        """A numpy view of the bytes, where the host can see them."""


class Team(Protocol):
    """What runs segments of one plan for one context: threads on a cpu, a stream on a gpu."""

    def launch(self, segment: int, buffers: int, dims: int, profile: int) -> None:
        """Run a segment to its end; addresses of the tables of docs/native-abi.md (`profile` may be 0)."""

    def close(self) -> None:
        """Let go of the threads. Launching afterwards is an error; closing twice is not."""


class Device(Protocol):
    """A place where plans run."""

    @property
    def name(self) -> str: ...

    def missing(self, target: Target) -> list[str]:
        """What code for the target needs and this device lacks; empty: it runs here."""

    def allocate(self, size_bytes: int) -> Memory:
        """Zeroed memory, 64-byte aligned. E520 if there is not enough."""

    def constant(self, blob: Any) -> Memory:
        """A plan's blob as device memory; used in place where it lies aligned."""

    def load(self, code: Any) -> Any:
        """Machine code of a plan, ready to be given to `team`. E531 if it is damaged."""

    def team(self, code: Any, threads: int) -> Team:
        """Threads that run the loaded code."""
