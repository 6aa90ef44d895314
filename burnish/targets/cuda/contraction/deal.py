"""Columns of B dealt so that each thread gets neighbours of a result in bytes, which it then stores as words.

A tensor core leaves a thread every second pair of eight columns, of 16 rows two: alone, bytes. So B's columns change
places inside each tile when B is packed, and the sums get their columns back by names alone: no data moves.

    [m, n]      of 64 columns, 8j + 2t + e of the product is 16t + 2j + e; thread t of four has all j and e
    swapped     row 64i + 16w + 8h + g of the product is column (8w + g) (n/32) + 2i + h; a thread has all i and h
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.kernels.task import Contraction
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.contraction.tiling import is_whole

Integers = np.ndarray[Any, np.dtype[np.int64]]
PIECE = 64  # columns of which four threads have a quarter each
_ORDERS = {False: (0, 2, 1, 3), True: (1, 3, 0, 2)}  # of the parts of a column's number, in the result


def is_dealt(kernel: Contraction, tile: Tile) -> bool:
    """Are all results bytes, all B packed, and all tiles whole?"""
    is_bytes = all(kernel.slots[s.slot].dtype.size_bytes == 1 for s in kernel.stores)
    is_packed = all(term.packed for term in kernel.terms)
    return is_bytes and is_packed and is_whole(tile.n, kernel.n.extent) and tile.n % (64 if tile.swap else 8) == 0


def dealt_columns(tile: Tile) -> Integers:
    """For each column of a tile's product, the tile's column that it is."""
    columns = np.arange(tile.n).reshape([_parts(tile)[i] for i in _ORDERS[tile.swap]])
    return columns.transpose(np.argsort(_ORDERS[tile.swap])).reshape(-1)


def named_again(tile: Tile, sums: str) -> str:
    """The sums [m, n] with their columns in order, of a tile's product, [m, n] or [n, m]."""
    parts = ", ".join(map(str, _parts(tile)))
    if tile.swap:
        return f"{sums}.reshape({parts}, {tile.m}).permute(1, 3, 0, 2, 4).reshape({tile.n}, {tile.m}).T"
    return f"{sums}.reshape({tile.m}, {parts}).permute(0, 1, 3, 2, 4).reshape({tile.m}, {tile.n})"


@dataclass(frozen=True)
class Threads:
    """How the threads of a tile [m, n] hold its results, where each warp has 16 rows of every 16 * warps.

    A block of bytes [m * n / 64, 64] whose rows are (i, h, piece, warp, g) is loaded in that way: 16 bytes a thread.
    """

    m: int
    n: int
    warps: int

    @property
    def rows(self) -> int:
        return self.m * self.n // PIECE

    def row(self, number: str) -> str:
        """The tile's row of each row of the block."""
        w, pieces = self.warps, self.n // PIECE
        high = f"{number} // {8 * w * pieces}"
        return f"({high} // 2 * {16 * w} + {number} // 8 % {w} * 16 + {high} % 2 * 8 + {number} % 8)"

    def column(self, number: str) -> str:
        """The first column of each row of the block."""
        return f"({number} // {8 * self.warps} % {self.n // PIECE} * {PIECE})"

    def whole(self, block: str) -> str:
        """The block as [m, n]."""
        parts = f"{self.m // (16 * self.warps)}, 2, {self.n // PIECE}, {self.warps}, 8, {PIECE}"
        return f"{block}.reshape({parts}).permute(0, 3, 1, 4, 2, 5).reshape({self.m}, {self.n})"


def threads_of(kernel: Contraction, tile: Tile) -> Threads | None:
    """Of a tile whose columns are dealt to warps that lie one below the other."""
    fits = not tile.swap and tile.n % PIECE == 0 and tile.m % (16 * tile.warps) == 0
    return Threads(tile.m, tile.n, tile.warps) if fits and is_dealt(kernel, tile) else None


def _parts(tile: Tile) -> tuple[int, ...]:
    """How a product's column is counted: (piece, j, t, e), or (i, w, h, g)."""
    piece = min(tile.n, PIECE)
    return (tile.n // 64, 4, 2, 8) if tile.swap else (tile.n // piece, piece // 8, 4, 2)
