"""Scores: queries times keys, scaled, capped and masked, one tile and one block of keys at a time, into scratch.

tiles of many rows    register tiles against transposed panels of keys
tiles of few rows     dot products with the keys where they lie
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.ops.language.expr import axis, load
from burnish.targets.cpu.attention.frame import AttentionFrame, Block, Head
from burnish.targets.cpu.builder import lanes_of
from burnish.targets.cpu.expressions import arithmetic
from burnish.targets.cpu.expressions.values import values_at, vectorised
from burnish.targets.cpu.register_tile.accumulate import Level, Tile, accumulate
from burnish.targets.cpu.register_tile.dot import accumulate_dots
from burnish.targets.cpu.register_tile.load import lanes_below, scaled, widen
from burnish.targets.cpu.register_tile.rows import RowCase

_COLUMNS = 4


def score_panels(f: AttentionFrame, case: RowCase, head: Head, block: Block) -> None:
    """One tile against the block's panels of transposed keys."""
    k = f.k
    q = f.at(head.q, case.start, f.q_slot.strides[2], f.q_slot.dtype)
    levels = (Level(f.depth, f.q_slot.strides[3], f.width),)
    tile = Tile(
        _queries(f, case),
        f.vectors,
        f.lanes,
        4,
        1,
        levels,
        f.q_slot.dtype,
        f.dtype,
        f.dtype,
    )
    with k.loop(0, block.count, f.width) as loop:
        panel = k.address(f.panels, k.ir.mul(loop.index, k.i64(f.depth)), f.element)
        sums = accumulate(k, tile, q, panel, (None,) * f.vectors)
        for v in range(f.vectors):
            at = k.ir.add(loop.index, k.i64(v * f.lanes))
            _put_scores(f, case, head, block, at, f.lanes, sums[v :: f.vectors])


def score_dots(f: AttentionFrame, case: RowCase, head: Head, block: Block) -> None:
    """One tile against the block's keys in memory; q and k are contiguous along the head."""
    k = f.k
    q = f.at(head.q, case.start, f.q_slot.strides[2], f.q_slot.dtype)
    levels = (Level(f.depth, 1, 1),)
    step = f.k_slot.strides[2]
    tile = Tile(
        _queries(f, case),
        1,
        _COLUMNS,
        1,
        step,
        levels,
        f.q_slot.dtype,
        f.k_slot.dtype,
        f.dtype,
    )
    with k.loop(0, block.count, _COLUMNS) as loop:
        last = k.ir.sub(k.ir.sub(block.count, k.i64(1)), loop.index)
        columns = [scaled(k, k.minimum(k.i64(c), last), step) for c in range(_COLUMNS)]
        keys = f.at(head.k, k.ir.add(block.first, loop.index), step, f.k_slot.dtype)
        sums = accumulate_dots(k, tile, q, keys, columns, min(f.lanes, 1 << f.depth.bit_length() - 1))
        _put_scores(f, case, head, block, loop.index, _COLUMNS, sums)


def _queries(f: AttentionFrame, case: RowCase) -> tuple[Dim, ...]:
    """The distance of each query of a tile from the tile's first query."""
    return tuple(f.q_slot.strides[2] * i for i in range(case.size))


def _put_scores(
    f: AttentionFrame, case: RowCase, head: Head, block: Block, at: ir.Value, lanes: int, sums: Sequence[ir.Value]
) -> None:
    """Scale, cap and mask a vector of scores of each row, and store it. Softmax ignores scores beyond the last key."""
    k = f.k
    key = k.ir.add(block.first, at)
    exist = None if f.has_whole_panels else lanes_below(k, key, k.dim(f.keys), lanes)
    for i, value in enumerate(sums):
        query = k.ir.add(case.start, k.i64(i))
        f.put(_finished(f, value, head, query, key, exist), f.scores, k.ir.add(at, k.i64(i * f.block)))


def finished(f: AttentionFrame, value: ir.Value, head: Head, query: ir.Value, key: ir.Value) -> ir.Value:
    """The scores of a vector of keys from `key` on: their products scaled, capped and masked."""
    exist = None if f.has_whole_panels else lanes_below(f.k, key, f.k.dim(f.keys), lanes_of(value))
    return _finished(f, value, head, query, key, exist)


def _finished(
    f: AttentionFrame, value: ir.Value, head: Head, query: ir.Value, key: ir.Value, exist: ir.Value | None
) -> ir.Value:
    k, kernel, lanes = f.k, f.kernel, lanes_of(value)
    value = k.ir.fmul(value, ir.Constant(value.type, [kernel.scale] * lanes))
    if kernel.softcap:
        cap = ir.Constant(value.type, [kernel.softcap] * lanes)
        value = k.ir.fmul(cap, arithmetic.unary(k, "tanh", f.dtype, k.ir.fdiv(value, cap)))
    return _with_mask(f, value, head, query, key, lanes, exist) if kernel.masked else value


def _with_mask(
    f: AttentionFrame, value: ir.Value, head: Head, query: ir.Value, key: ir.Value, lanes: int, exist: ir.Value | None
) -> ir.Value:
    """Bool mask: the score where the mask is true, else -inf. Other masks: the score plus the mask."""
    k, dtype = f.k, f.kernel.slots[3].dtype
    bound = dict(zip((*f.axes, f.key_axis), (head.batch, head.head, query, key)))
    scope = values_at(k, f.kernel.slots, bound, vector=f.key_axis, width=lanes, mask=exist)
    mask = vectorised(scope, load(3, dtype, tuple(map(axis, bound))))
    if dtype is DType.BOOL:
        return k.ir.select(mask, value, ir.Constant(value.type, [-math.inf] * lanes))
    return k.ir.fadd(value, widen(k, mask, dtype, f.dtype))
