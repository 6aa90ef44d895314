"""Decides which launches need a barrier between them.

Between two barriers threads drift apart: one may run the next launch while another still runs the last one. That is
safe unless both launches touch the same bytes and one of them writes (read after write, write after read, write after
write). Launches that thread 0 runs alone are in order anyway.

Bytes are (space, low, high). The arena is one space, so storages that share its bytes conflict; every other storage is
a space of its own. Constants are never written, so they are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from burnish.dims import bounds
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Launch, Program, Storage

ARENA = -1
_UNBOUNDED = 1 << 62


@dataclass(frozen=True, slots=True)
class Access:
    """Bytes [low, high) of a space, read or written, by all threads or by thread 0 alone (`is_serial`)."""

    space: int
    low: int
    high: int
    is_write: bool
    is_serial: bool

    def conflicts(self, other: Access) -> bool:
        if not (self.is_write or other.is_write) or (self.is_serial and other.is_serial):
            return False
        return self.space == other.space and self.low < other.high and other.low < self.high


@dataclass
class Pending:
    """The accesses since the last barrier: those of all threads, and those of thread 0 alone.

    They are kept apart so that a long run of thread 0's launches, which need no barrier, is never searched.
    """

    shared: set[Access] = field(default_factory=set)
    serial: set[Access] = field(default_factory=set)

    def conflict(self, wanted: Sequence[Access]) -> bool:
        """Must a barrier come before these accesses?"""
        return any(
            old.conflicts(new) for new in wanted for old in chain(self.shared, () if new.is_serial else self.serial)
        )

    def add(self, accesses: Sequence[Access]) -> None:
        for access in accesses:
            (self.serial if access.is_serial else self.shared).add(access)

    def joined(self, other: Pending) -> Pending:
        """The accesses that may be pending after either of the two."""
        return Pending(self.shared | other.shared, self.serial | other.serial)


@dataclass(frozen=True)
class Bytes:
    """Where storages lie: a place in the arena, or a space of their own."""

    storages: Mapping[int, Storage]
    ranges: Mapping[str, tuple[int, int]]
    offsets: Mapping[int, int]

    @staticmethod
    def of(program: Program, offsets: Mapping[int, int]) -> Bytes:
        ranges = program.ranges
        return Bytes({s.number: s for s in program.storages}, ranges, offsets)

    def launch(self, launch: Launch, is_serial: bool) -> list[Access]:
        """A read counts as the whole storage (a window may reach into its halo), a write as the bytes of its slot."""
        found = []
        for n, (slot, binding) in enumerate(zip(launch.kernel.slots, launch.bindings)):
            if n in launch.writes:
                found.append(self.written(slot, binding, is_serial))
            elif self.storages[binding.storage].kind != "constant":
                found.append(self.whole(binding.storage, False, is_serial))
        return found

    def written(self, slot: Slot, binding: Binding, is_serial: bool) -> Access:
        """The bytes from a slot's lowest element to its highest; the whole storage if they are symbolic."""
        low, high = (binding.offset + end for end in slot.ends)
        if not (isinstance(low, int) and isinstance(high, int)):
            return self.whole(binding.storage, True, is_serial)
        space, start = self._start(binding.storage)
        size = slot.dtype.size_bytes
        return Access(space, start + low * size, start + (high + 1) * size, True, is_serial)

    def whole(self, storage: int, is_write: bool, is_serial: bool = False) -> Access:
        space, start = self._start(storage)
        size = bounds(self.storages[storage].size_bytes, self.ranges)[1] if space == ARENA else _UNBOUNDED
        return Access(space, start, start + size, is_write, is_serial)

    def _start(self, storage: int) -> tuple[int, int]:
        if self.storages[storage].kind == "arena":
            return ARENA, self.offsets[storage]
        return storage, 0


def private_slots(launch: Launch, memory: Bytes) -> frozenset[int]:
    """Slots for which `noalias` holds: no other slot of the launch writes their bytes, or reads written ones."""
    touched = [
        memory.written(slot, binding, False) if n in launch.writes else memory.whole(binding.storage, False)
        for n, (slot, binding) in enumerate(zip(launch.kernel.slots, launch.bindings))
    ]
    return frozenset(
        n for n, mine in enumerate(touched) if not any(mine.conflicts(o) for m, o in enumerate(touched) if m != n)
    )
