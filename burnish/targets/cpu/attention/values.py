"""Exponentials times values, added to a tile's sums; at the end, sums / total into the output."""

from __future__ import annotations

from llvmlite import ir

from burnish.ops.language.expr import acc, axis
from burnish.targets.cpu.attention.frame import AttentionFrame, Block, Head, padded
from burnish.targets.cpu.expressions.storage import storage_type
from burnish.targets.cpu.expressions.values import values_at
from burnish.targets.cpu.register_tile.accumulate import Level, Tile, accumulate
from burnish.targets.cpu.register_tile.load import scaled
from burnish.targets.cpu.register_tile.rows import RowCase


def times_values(f: AttentionFrame, case: RowCase, number: ir.Value, head: Head, block: Block) -> None:
    """sums += p @ values, for one tile and one block."""
    k, slot = f.k, f.v_slot
    values = f.at(head.v, block.first, slot.strides[2], slot.dtype)
    level = Level(block.count if not f.is_single else f.keys, 1, slot.strides[2])
    state = k.ir.mul(number, k.i64(f.rows_each * f.row))
    rows = tuple(f.block * i for i in range(case.size))
    for at in range(0, f.row, f.width):
        masks = f.value_masks(at)
        tile = Tile(
            rows,
            len(masks),
            f.lanes,
            4,
            slot.strides[3],
            (level,),
            f.dtype,
            slot.dtype,
            f.dtype,
        )
        places = [
            k.ir.add(state, k.i64(i * f.row + at + v * f.lanes)) for i in range(case.size) for v in range(len(masks))
        ]
        start = None if f.is_single else [f.get(f.sums, p, f.vector) for p in places]
        column = k.address(values, scaled(k, k.i64(at), slot.strides[3]), storage_type(slot.dtype))
        for place, total in zip(places, accumulate(k, tile, f.scores, column, masks, start)):
            f.put(total, f.sums, place)


def finish(f: AttentionFrame, case: RowCase, number: ir.Value, head: Head) -> None:
    """out = sums / total, zeros where no key was seen."""
    k = f.k
    first = case.first if case.first is not None else k.i64(0)
    with k.loop(first if not f.is_tiled(case) else 0, f.rows_of(case)) as loop:
        state = k.ir.add(k.ir.mul(number, k.i64(f.rows_each)), loop.index)
        total = f.get(f.totals, state, f.element)
        one, zero = ir.Constant(f.element, 1.0), ir.Constant(f.element, 0.0)
        total = k.ir.select(k.ir.fcmp_ordered("==", total, zero), one, total)
        factor = k.splat(k.ir.fdiv(one, total), f.lanes)
        query = f.query_of(case, loop.index)
        for at in range(0, padded(f.value_size, f.lanes), f.lanes):
            place = k.ir.add(k.ir.mul(state, k.i64(f.row)), k.i64(at))
            value = k.ir.fmul(factor, f.get(f.sums, place, f.vector))
            bound = dict(zip((*f.axes, f.value_axis), (head.batch, head.head, query, k.i64(at))))
            scope = values_at(
                k,
                f.kernel.slots,
                bound,
                vector=f.value_axis,
                width=f.lanes,
                mask=f.value_masks(at)[0],
                accumulators=(value,),
            )
            scope.store(f.out, tuple(map(axis, bound)), scope.value(acc(0, f.dtype)))
