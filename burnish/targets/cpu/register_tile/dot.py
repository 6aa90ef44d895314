"""The dot tile: rows x columns accumulators, each a vector of partial sums over the innermost reduce axis.

    for every vector of k:   load A rows, load B columns, acc[row, column] += A[row] * B[column];   then fold the lanes

It is for a B with contiguous k (a transposed operand, attention scores) and for products of few columns, where a vector
of columns would be mostly empty. The result is one vector of columns per row, as from the register tile.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from burnish.targets.cpu.builder import I32, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.reductions import across_lanes
from burnish.targets.cpu.expressions.storage import register_type, storage_type
from burnish.targets.cpu.register_tile.accumulate import Sums, Tile, keep_order, multiply_add
from burnish.targets.cpu.register_tile.load import lanes_below, load_operand, scaled


def accumulate_dots(
    k: KernelBuilder, tile: Tile, a: ir.Value, b: ir.Value, columns: Sequence[ir.Value], k_lanes: int
) -> Sums:
    """The sums of one tile, a vector of tile.lanes columns for each row.

    columns: the distance of each column of B from `b`; fewer than tile.lanes if the others do not exist
    k_lanes: elements of the innermost reduce axis taken at once; A and B are contiguous along it
    """
    kind = vector_type(register_type(tile.accumulator), k_lanes)
    zero = ir.Constant(kind, None) if k_lanes > 1 else ir.Constant(kind, 0)
    work = _DotNest(k, tile, columns, k_lanes)
    sums = work.nest(0, a, b, [zero] * (tile.rows * len(columns)))
    return [_row(k, tile, sums[i * len(columns) :][: len(columns)]) for i in range(tile.rows)]


class _DotNest:
    """The loops over the reduce axes, with the values that stay the same in all of them."""

    def __init__(self, k: KernelBuilder, tile: Tile, columns: Sequence[ir.Value], k_lanes: int) -> None:
        self.k, self.tile, self.columns, self.k_lanes = k, tile, columns, k_lanes
        self.rows = [k.dim(offset) for offset in tile.offsets]

    def nest(self, depth: int, a: ir.Value, b: ir.Value, sums: Sums) -> Sums:
        k, level = self.k, self.tile.levels[depth]
        if depth + 1 == len(self.tile.levels):
            return self._innermost(a, b, sums)
        with k.loop(0, level.extent, carried=sums) as loop:
            a_at = k.address(a, scaled(k, loop.index, level.a_step), storage_type(self.tile.a_dtype))
            b_at = k.address(b, scaled(k, loop.index, level.b_step), storage_type(self.tile.b_dtype))
            loop.next = self.nest(depth + 1, a_at, b_at, loop.carried)
        return loop.results

    def _innermost(self, a: ir.Value, b: ir.Value, sums: Sums) -> Sums:
        """Whole vectors, then a masked one for the rest."""
        k, extent, lanes = self.k, self.tile.levels[-1].extent, self.k_lanes
        whole: int | ir.Value = extent // lanes * lanes if isinstance(extent, int) else self._rounded(k.index(extent))
        if whole != 0:
            with k.loop(0, whole, lanes, carried=sums) as loop:
                loop.next = self._step(a, b, loop.index, None, loop.carried)
            sums = loop.results
        if whole == extent:
            return sums
        start = k.index(whole)
        with k.loop(start, extent, lanes, carried=sums) as loop:
            loop.next = self._step(a, b, loop.index, lanes_below(k, loop.index, k.index(extent), lanes), loop.carried)
        return loop.results

    def _rounded(self, extent: ir.Value) -> ir.Value:
        return self.k.ir.and_(extent, self.k.i64(-self.k_lanes))

    def _step(self, a: ir.Value, b: ir.Value, at: ir.Value, mask: ir.Value | None, sums: Sums) -> Sums:
        k, tile, lanes = self.k, self.tile, self.k_lanes
        keep_order(k)
        rights = []
        for column in self.columns:
            place = k.address(b, k.ir.add(at, column), storage_type(tile.b_dtype))
            rights.append(load_operand(k, place, tile.b_dtype, tile.accumulator, lanes, 1, mask))
        total = list(sums)
        for i, row in enumerate(self.rows):
            place = k.address(a, k.ir.add(at, row), storage_type(tile.a_dtype))
            left = load_operand(k, place, tile.a_dtype, tile.accumulator, lanes, 1, mask)
            for c, right in enumerate(rights):
                where = i * len(rights) + c
                total[where] = multiply_add(k, left, right, total[where])
        return total


def _row(k: KernelBuilder, tile: Tile, sums: Sequence[ir.Value]) -> ir.Value:
    """The folded sums of a row, one lane a column."""
    folded = [across_lanes(k, "sum", tile.accumulator, s) if isinstance(s.type, ir.VectorType) else s for s in sums]
    if tile.lanes == 1:
        return folded[0]
    row: ir.Value = ir.Constant(ir.VectorType(register_type(tile.accumulator), tile.lanes), ir.Undefined)
    for c, value in enumerate(folded):
        row = k.ir.insert_element(row, value, ir.Constant(I32, c))
    return row
