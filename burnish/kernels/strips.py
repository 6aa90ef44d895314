"""The words of a chain (kernels/task.py): strips of its result, the rows that a stage does, what stages hand on.

A chain has *coordinates*: where a strip begins along each axis of strips, then the first rows that follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim


@dataclass(frozen=True, slots=True)
class Strip:
    """An axis of strips: strip number i begins at the coordinate min(i * size, last)."""

    count: Dim
    size: int
    last: Dim

    def __str__(self) -> str:
        return f"{self.count}x{self.size}<={self.last}"


@dataclass(frozen=True, slots=True)
class Rows:
    """One more coordinate: step * (coordinate number `of`) + first, at least 0 and at most last.

    A stage whose rows are read with a halo begins there; at an image's ends its rows are moved inwards.
    """

    of: int
    step: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.of}*{self.step}{self.first:+}<={self.last}"


@dataclass(frozen=True, slots=True)
class Pads:
    """`count` runs of `size_bytes` bytes each; the first one begins at byte `start`, the next `step_bytes` later."""

    start: int
    size_bytes: int
    count: int = 1
    step_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.start}+{self.size_bytes}x{self.count}@{self.step_bytes}"


@dataclass(frozen=True, slots=True)
class Between:
    """An intermediate. pads: what no stage writes and stages read; each byte of it is `fill`."""

    size_bytes: int
    pads: tuple[Pads, ...] = ()
    fill: int = 0

    def __str__(self) -> str:
        pads = "".join(f"[{p}={self.fill}]" for p in self.pads)
        return f"{self.size_bytes}{pads}"


@dataclass(frozen=True, slots=True)
class Part:
    """One slot of a stage: the chain's slot, or -1 - n for intermediate number n.

    It begins offset + sum(coordinate * move) elements after that.
    """

    slot: int
    moves: tuple[Dim, ...]
    offset: Dim = 0

    def __str__(self) -> str:
        return f"{self.slot}:{'+'.join(map(str, (self.offset, *self.moves)))}"
