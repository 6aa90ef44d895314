"""How a constant B lies in memory: [groups, n, k], each column's k as the loop's steps read it.

chunks  k = [taps, channels], channels padded with zeros to whole steps
flat    k = all taps and channels, padded at the end
load    columns are padded to whole tiles; copy: they are not, the copy engine knows where they end
dealt   columns of a tile in another order, see deal.py
"""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.dims import known
from burnish.kernels.contraction_runs import analyse
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction
from burnish.targets.cuda.contraction.axes import reduction_of
from burnish.targets.cuda.contraction.deal import dealt_columns, is_dealt
from burnish.targets.cuda.contraction.tile import Tile

Array = np.ndarray[Any, Any]


def pack(kernel: Contraction, schedule: Schedule, slot: int, array: Array) -> Array:
    """B, given as [batch axes..., reduce axes..., n], in the schedule's layout. cost: one copy of the array"""
    number = next((i for i, t in enumerate(kernel.terms) if t.packed and t.b == slot), None)
    if number is None:
        return array
    tile, shape = Tile.read(schedule), analyse(kernel, number)
    cut = reduction_of(kernel.alone(number), shape, tile.k, tile.flat)
    taps, channels, columns = (known(n) for n in (cut.tap_count, cut.channel.extent, kernel.n.extent))
    depth = known(cut.packed_depth)
    rows = columns if tile.is_copied else -(-columns // tile.n) * tile.n
    groups = np.moveaxis(array.reshape(-1, taps, channels, columns), -1, 1)
    packed = np.zeros((len(groups), rows, depth), array.dtype)
    if cut.is_flat:
        packed[:, :columns, : taps * channels] = groups.reshape(len(groups), columns, taps * channels)
    else:
        chunks = packed.reshape(len(groups), rows, taps, depth // taps)
        chunks[:, :columns, :, :channels] = groups
    if is_dealt(kernel, tile):
        order = np.arange(0, rows, tile.n)[:, None] + dealt_columns(tile)
        packed = packed[:, order.reshape(-1)]
    return packed
