"""Online softmax: scores become exponentials in place; each row keeps its maximum, its total and its sums of values.

    m' = max(m, max_j s_j);   p_j = exp(s_j - m');   total' = total * exp(m - m') + sum_j p_j;   sums likewise

A row that has seen no key has m = -inf and total = 0; nothing is ever subtracted from -inf.
"""

from __future__ import annotations

import math

from llvmlite import ir

from burnish.dtypes import DType
from burnish.targets.cpu.attention.frame import AttentionFrame, Block, Head
from burnish.targets.cpu.attention.scores import finished
from burnish.targets.cpu.attention.tile_products import put_power
from burnish.targets.cpu.builder import I32
from burnish.targets.cpu.expressions import arithmetic
from burnish.targets.cpu.expressions.reductions import across_lanes
from burnish.targets.cpu.expressions.storage import fill
from burnish.targets.cpu.register_tile.rows import RowCase


def softmax(f: AttentionFrame, case: RowCase, number: ir.Value, head: Head, block: Block) -> None:
    """Replace each score by exp(score - maximum), and update the running maximum, total and sums of each row.

    Scores of products of tiles are not yet scaled and masked; their exponentials go into `powers`.
    """
    k = f.k
    with k.loop(0, f.rows_of(case)) as row:
        query = f.query_of(case, row.index)
        start = k.ir.mul(row.index, k.i64(f.block))
        state = k.ir.add(k.ir.mul(number, k.i64(f.rows_each)), row.index)
        limit = _limit(f, query, block)
        place = (head, query) if f.is_tiled(case) else None
        highest = _row_maximum(f, start, block, limit, place)
        before = None
        if not f.is_single:
            before = f.get(f.maxima, state, f.element)
            highest = k.ir.select(k.ir.fcmp_ordered(">", before, highest), before, highest)
            f.put(highest, f.maxima, state)
        nothing = k.ir.fcmp_ordered("==", highest, ir.Constant(f.element, -math.inf))
        shift = k.ir.select(nothing, ir.Constant(f.element, 0.0), highest)
        total = _exponentials(f, start, block, shift, f.is_tiled(case))
        if before is not None:
            decay = _exponential(f, k.ir.fsub(before, shift))
            total = k.ir.fadd(total, k.ir.fmul(decay, f.get(f.totals, state, f.element)))
            _shrink(f, state, decay)
        f.put(total, f.totals, state)


def _row_maximum(
    f: AttentionFrame, start: ir.Value, block: Block, limit: ir.Value | None, plain: tuple[Head, ir.Value] | None
) -> ir.Value:
    """The largest score. Scores at `limit` and beyond are set to -inf first (None: there are no such scores).

    plain: the head and query of a row whose scores are plain products; they are scaled, capped and masked here
    """
    k = f.k
    with k.loop(0, f.count_of(block), f.lanes, carried=[f.lowest]) as loop:
        at = k.ir.add(start, loop.index)
        score = f.get(f.scores, at, f.vector)
        if plain is not None:
            score = finished(f, score, *plain, k.ir.add(block.first, loop.index))
        if limit is not None:
            left = k.splat(k.ir.trunc(k.ir.sub(limit, loop.index), I32), f.lanes)
            score = k.ir.select(k.ir.icmp_signed("<", k.iota(f.lanes, I32), left), score, f.lowest)
        if plain is not None or limit is not None:
            f.put(score, f.scores, at)
        loop.next = [k.ir.select(k.ir.fcmp_ordered(">", score, loop.carried[0]), score, loop.carried[0])]
    return across_lanes(k, "max", f.dtype, loop.results[0])


def _limit(f: AttentionFrame, query: ir.Value, block: Block) -> ir.Value | None:
    """The number of scores in this block whose keys exist and are visible to the query."""
    k = f.k
    if not f.kernel.causal:
        return None if f.has_whole_panels else block.count
    seen = k.ir.add(query, k.dim(f.keys - f.queries + 1))
    return k.minimum(k.ir.sub(seen, block.first), block.count)


def _exponentials(f: AttentionFrame, start: ir.Value, block: Block, shift: ir.Value, is_tiled: bool) -> ir.Value:
    k = f.k
    shifts = k.splat(shift, f.lanes)
    with k.loop(0, f.count_of(block), f.lanes, carried=[ir.Constant(f.vector, None)]) as loop:
        at = k.ir.add(start, loop.index)
        value = k.ir.fsub(f.get(f.scores, at, f.vector), shifts)
        if is_tiled:  # in plans, subnormal results are zero
            value = arithmetic.unary(k, "exp", DType.BF16, value)
            put_power(f, at, value)
        else:
            value = _exponential(f, value)
            f.put(value, f.scores, at)
        loop.next = [k.ir.fadd(loop.carried[0], value)]
    return across_lanes(k, "sum", f.dtype, loop.results[0])


def _shrink(f: AttentionFrame, state: ir.Value, factor: ir.Value) -> None:
    k = f.k
    factors = k.splat(factor, f.lanes)
    for at in range(0, f.row, f.lanes):
        place = k.ir.add(k.ir.mul(state, k.i64(f.row)), k.i64(at))
        f.put(k.ir.fmul(factors, f.get(f.sums, place, f.vector)), f.sums, place)


def _exponential(f: AttentionFrame, value: ir.Value) -> ir.Value:
    """e**value for value <= 0. A subnormal result becomes 0, because each subnormal costs hundreds of cycles."""
    k = f.k
    smallest = fill(value, f.element, -708.0 if f.dtype is DType.F64 else -87.0)
    vanishes = k.ir.fcmp_ordered("<", value, smallest)
    power = arithmetic.unary(k, "exp", f.dtype, k.ir.select(vanishes, smallest, value))
    return k.ir.select(vanishes, ir.Constant(value.type, None if value.type == f.vector else 0.0), power)
