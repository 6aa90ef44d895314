"""The facts about a target's hardware that are wanted outside its templates. Each target states its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rotation:
    """How often a measurement repeats a launch, so that weights come from memory and not from a cache.

    There are enough repeats to touch `bytes` in total, from `fewest` to `most`.
    are_uploaded: equal constants can have memory of their own (tune/rotate_weights.py); else they must differ
    """

    bytes: int
    fewest: int
    most: int
    are_uploaded: bool


@dataclass(frozen=True, slots=True)
class Link:
    """Between the host's memory and the target's: its speed, and the time to start one copy and to wait for it."""

    bytes_per_us: float
    copy_us: float


@dataclass(frozen=True, slots=True)
class Peaks:
    """The highest rates of the whole chip: operations at the rate of half-precision products, and bytes of memory."""

    flop_per_us: float
    bytes_per_us: float


@dataclass(frozen=True, slots=True)
class Hardware:
    """link: None where the host sees the target's memory; peaks: None where they are unknown."""

    rotation: Rotation
    link: Link | None = None
    peaks: Peaks | None = None
