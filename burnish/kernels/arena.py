"""The memory map of a program: where each temporary lies in the one arena."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arena:
    """Offsets by storage, the arena's size, and the number of bytes at its start to zero when shapes are bound.

    fills: (offset, size, byte) of what is filled with another byte then
    """

    offsets: Mapping[int, int]
    size_bytes: int
    zero_bytes: int
    fills: tuple[tuple[int, int, int], ...] = ()
