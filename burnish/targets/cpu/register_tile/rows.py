"""Cuts a run of pixels into row tiles.

static extent     tiles of two sizes that differ by one: 49 by at most 14 is 13 + 12 + 12 + 12
symbolic extent   full tiles; the last tile is moved back until it fits, and stores only its new rows. If the whole run
                  is shorter than a tile, the next smaller size is used. So no tile reads beyond the run
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import Dim
from burnish.targets.cpu.builder import KernelBuilder


@dataclass(frozen=True)
class RowCase:
    """A tile size, used if `condition` holds (None: always). Rows below `first` belong to the tile before."""

    size: int
    condition: ir.Value | None
    start: ir.Value
    first: ir.Value | None


class RowTiles:
    """The tiles of one run. It is made once per kernel, because it may emit code in the prologue."""

    def __init__(self, k: KernelBuilder, extent: Dim, rows: int, sizes: tuple[int, ...] = ()) -> None:
        """sizes: of tiles of an extent that is not known, largest first, if they are not those of `dynamic_sizes`."""
        self.k, self.extent = k, extent
        if isinstance(extent, int):
            tiles = max(1, -(-extent // rows))
            self.small, self.big_tiles = extent // tiles, extent % tiles
            self.count: Dim | ir.Value = tiles
            return
        self.sizes = sizes or dynamic_sizes(rows)
        self.chosen: ir.Value = k.i64(1)
        total = k.dim(extent)
        for size in reversed(self.sizes[:-1]):
            self.chosen = k.ir.select(k.ir.icmp_signed(">=", total, k.i64(size)), k.i64(size), self.chosen)
        self.count = k.ir.udiv(k.ir.add(total, k.ir.sub(self.chosen, k.i64(1))), self.chosen)

    def at_least(self, size: int) -> ir.Value | bool:
        """Are tiles this large used?"""
        if isinstance(self.extent, int):
            return self.small + (self.big_tiles > 0) >= size
        return self.k.ir.icmp_signed(">=", self.chosen, self.k.i64(size))

    def cases(self, tile: ir.Value) -> list[RowCase]:
        """The possible sizes of tile number `tile`."""
        return self._static_cases(tile) if isinstance(self.extent, int) else self._dynamic_cases(tile)

    def _static_cases(self, tile: ir.Value) -> list[RowCase]:
        k, small, bigs = self.k, self.small, self.big_tiles
        start = k.ir.mul(tile, k.i64(small))
        if not bigs:
            return [RowCase(small, None, start, None)]
        is_big = k.ir.icmp_signed("<", tile, k.i64(bigs))
        big_start = k.ir.mul(tile, k.i64(small + 1))
        return [
            RowCase(small + 1, is_big, big_start, None),
            RowCase(small, k.ir.not_(is_big), k.ir.add(start, k.i64(bigs)), None),
        ]

    def _dynamic_cases(self, tile: ir.Value) -> list[RowCase]:
        k = self.k
        wanted = k.ir.mul(tile, self.chosen)
        start = k.minimum(wanted, k.ir.sub(k.dim(self.extent), self.chosen))
        first = k.ir.sub(wanted, start)
        if len(self.sizes) == 1:
            return [RowCase(1, None, wanted, None)]
        return [
            RowCase(size, k.ir.icmp_signed("==", self.chosen, k.i64(size)), start, first if size > 1 else None)
            for size in self.sizes
        ]


def dynamic_sizes(rows: int) -> tuple[int, ...]:
    """The tile sizes for a run of unknown extent, largest first; the last is 1."""
    if rows >= 8:
        return (rows, 4, 1)
    return (rows, 1) if rows > 1 else (1,)
