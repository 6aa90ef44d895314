"""Columns of B dealt so that each thread gets neighbours of a result in bytes, which it then stores as words.

A tensor core leaves a thread every second pair of eight columns, of 16 rows two: alone, bytes. So B's columns change
places inside each tile when B is packed, and the sums get their columns back by names alone: no data moves.

    [m, n]      column 8j + 2t + e of the product is column t (n/4) + 2j + e; thread t of four has all j and e
    swapped     row 64i + 16w + 8h + g of the product is column (8w + g) (n/32) + 2i + h; a thread has all i and h
"""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.kernels.task import Contraction
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.contraction.tiling import is_whole

Integers = np.ndarray[Any, np.dtype[np.int64]]
_ORDERS = {False: (1, 0, 2), True: (1, 3, 0, 2)}  # of the parts of a column's number, in the result


def is_dealt(kernel: Contraction, tile: Tile) -> bool:
    """Are all results bytes, all B packed, and all tiles whole?"""
    is_bytes = all(kernel.slots[s.slot].dtype.size_bytes == 1 for s in kernel.stores)
    is_packed = all(term.packed for term in kernel.terms)
    return is_bytes and is_packed and is_whole(max(tile.n, 64 if tile.swap else 8), kernel.n.extent)


def dealt_columns(tile: Tile) -> Integers:
    """For each column of a tile's product, the tile's column that it is."""
    columns = np.arange(tile.n).reshape([_parts(tile)[i] for i in _ORDERS[tile.swap]])
    return columns.transpose(np.argsort(_ORDERS[tile.swap])).reshape(-1)


def named_again(tile: Tile, sums: str) -> str:
    """The sums [m, n] with their columns in order, of a tile's product, [m, n] or [n, m]."""
    parts = _parts(tile)
    if tile.swap:
        return f"{sums}.reshape({_list(parts)}, {tile.m}).permute(1, 3, 0, 2, 4).reshape({tile.n}, {tile.m}).T"
    return f"{sums}.reshape({tile.m}, {_list(parts)}).permute(0, 2, 1, 3).reshape({tile.m}, {tile.n})"


def _parts(tile: Tile) -> tuple[int, ...]:
    """How a product's column is counted: (j, t, e), or (i, w, h, g)."""
    return (tile.n // 64, 4, 2, 8) if tile.swap else (tile.n // 8, 4, 2)


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
