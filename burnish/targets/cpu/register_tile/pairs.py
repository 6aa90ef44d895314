"""The tile of bf16 pairs: rows x vectors accumulators; 32 bits of B hold one column at two consecutive k.

    +bf16     vdpbf16ps: both products of a pair in one instruction
    without   the same products summed in the same order, the odd k first: bit-equal to the instruction

B takes half the bytes, in memory and in every cache. An odd number of k ends in a pair whose second half is zero.
"""

from __future__ import annotations

from llvmlite import ir

from burnish.targets.cpu.builder import F32, I16, I32, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.storage import BFloat, fill
from burnish.targets.cpu.register_tile.accumulate import Sums, Tile, advance, keep_order
from burnish.targets.cpu.register_tile.prefetch import request_next, request_row

_INSTRUCTION_LANES = {4: 128, 8: 256, 16: 512}
PAIR_BYTES = 4


def accumulate_pairs(k: KernelBuilder, tile: Tile, a: ir.Value, b: ir.Value) -> Sums:
    """The sums of one tile, rows * vectors values, row by row. A is bf16, its innermost reduce axis contiguous."""
    kind = vector_type(F32, tile.lanes)
    zero = ir.Constant(kind, None) if tile.lanes > 1 else ir.Constant(kind, 0)
    return _PairNest(k, tile).nest(0, a, b, [zero] * (tile.rows * tile.vectors))


def add_pairs(k: KernelBuilder, total: ir.Value, row: ir.Value, column: ir.Value) -> ir.Value:
    """total + the two products of each lane's bf16, by one instruction."""
    lanes = total.type.count
    pairs = [k.ir.bitcast(x, ir.VectorType(BFloat(), 2 * lanes)) for x in (row, column)]
    return k.call(f"llvm.x86.avx512bf16.dpbf16ps.{_INSTRUCTION_LANES[lanes]}", total.type, [total, *pairs])


class _PairNest:
    """The loops over the reduce axes, with the values that stay the same in all of them."""

    def __init__(self, k: KernelBuilder, tile: Tile) -> None:
        self.k, self.tile = k, tile
        self.has_instruction = "bf16" in k.target.extensions and tile.lanes in _INSTRUCTION_LANES

    def nest(self, depth: int, a: ir.Value, b: ir.Value, sums: Sums) -> Sums:
        k, level = self.k, self.tile.levels[depth]
        if depth + 1 == len(self.tile.levels):
            return self._innermost(a, b, sums)
        with k.loop(0, level.extent, carried=sums) as loop:
            a_at, b_at = advance(k, self.tile, level, a, b, loop.index)
            loop.next = self.nest(depth + 1, a_at, b_at, loop.carried)
        return loop.results

    def _innermost(self, a: ir.Value, b: ir.Value, sums: Sums) -> Sums:
        """Several pairs at once, then the last k alone if the number of k is odd."""
        k, tile, level = self.k, self.tile, self.tile.levels[-1]
        assert isinstance(level.extent, int), "a packed operand has static reduce axes"
        unroll = pairs_at_once(tile.unroll)
        pairs, odd = divmod(level.extent, 2)
        whole = pairs // unroll * unroll
        if whole:
            with k.loop(0, 2 * whole, 2 * unroll, carried=sums) as loop:
                a_at, b_at = advance(k, tile, level, a, b, loop.index)
                loop.next = loop.carried
                if tile.ahead is not None:
                    request_next(k, tile.ahead, b_at)
                for u in range(unroll):
                    loop.next = self._pair(*advance(k, tile, level, a_at, b_at, k.i64(2 * u)), loop.next)
            sums = loop.results
        for p in range(whole, pairs):
            sums = self._pair(*advance(k, tile, level, a, b, k.i64(2 * p)), sums)
        if odd:
            sums = self._pair(*advance(k, tile, level, a, b, k.i64(2 * pairs)), sums, is_last=True)
        return sums

    def _pair(self, a: ir.Value, b: ir.Value, sums: Sums, is_last: bool = False) -> Sums:
        k, tile = self.k, self.tile
        keep_order(k)
        if tile.prefetch != 0:
            row = k.address(b, k.dim(tile.prefetch), I16)
            request_row(k, row, tile.vectors * tile.lanes * PAIR_BYTES)
        rows = [self._row_pair(a, offset, is_last) for offset in tile.offsets]
        if self.has_instruction:
            columns = [self._column(b, v) for v in range(tile.vectors)]
            return self._each(rows, columns, sums, self._dot)
        for shift in (False, True):
            columns = [self._half(self._column(b, v), shift) for v in range(tile.vectors)]
            sums = self._each([self._half(r, shift) for r in rows], columns, sums, k.multiply_add)
        return sums

    def _each(self, rows: list[ir.Value], columns: list[ir.Value], sums: Sums, product: object) -> Sums:
        assert callable(product)
        total = list(sums)
        for i, row in enumerate(rows):
            for v, column in enumerate(columns):
                at = i * len(columns) + v
                total[at] = product(row, column, total[at])
        return total

    def _dot(self, row: ir.Value, column: ir.Value, total: ir.Value) -> ir.Value:
        return add_pairs(self.k, total, row, column)

    def _row_pair(self, a: ir.Value, offset: object, is_last: bool) -> ir.Value:
        """Two elements of a bf16 row, in all lanes. At the end of an odd number of k the second is zero."""
        k = self.k
        at = k.address(a, k.dim(offset), I16)  # type: ignore[arg-type]
        pair = k.ir.zext(k.load(at, I16, 2), I32) if is_last else k.load(at, I32, 2)
        return k.splat(pair, self.tile.lanes)

    def _column(self, b: ir.Value, vector: int) -> ir.Value:
        at = self.k.address(b, self.k.i64(vector * self.tile.lanes), I32)
        return self.k.load(at, vector_type(I32, self.tile.lanes), PAIR_BYTES)

    def _half(self, pairs: ir.Value, is_even: bool) -> ir.Value:
        """The first or the second of each pair, as f32."""
        k = self.k
        bits = k.ir.shl(pairs, fill(pairs, I32, 16)) if is_even else k.ir.and_(pairs, fill(pairs, I32, 0xFFFF0000))
        return k.ir.bitcast(bits, vector_type(F32, self.tile.lanes))


def pairs_at_once(unroll: int) -> int:
    """The number of pairs that the innermost loop unrolls, for `unroll` steps of k."""
    return max(1, unroll // 2)
