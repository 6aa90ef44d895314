"""The tile of byte quads: rows x vectors sums in i32; 32 bits of A hold one row at four consecutive k.

    B i8, +vnni      vpdpbusd: four products of unsigned and signed bytes in one instruction. Signed bytes of A become
                     unsigned by adding 128; the sums then start at -128 * sum of B's column, the panel's first row
    B i8, without    the even and then the odd bytes of both in 16 bits, two products by vpmaddwd
    B i16            the same, B kept in 16 bits; vpdpwssd with +vnni

No product or sum of two is rounded or saturates (as vpmaddubsw would), so the sums are the same bits everywhere.
A depth that is no multiple of four ends in a quad that overlaps the one before: B is zero where a product is already
summed.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cpu.builder import I8, I16, I32, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.storage import fill, storage_type
from burnish.targets.cpu.register_tile.accumulate import Sums, Tile, advance, keep_order
from burnish.targets.cpu.register_tile.prefetch import request_next, request_row

QUAD = 4
QUAD_LANES = (4, 8, 16)  # of an instruction's sums
_INSTRUCTION_BITS = {4: 128, 8: 256, 16: 512}
_WIDE_PRODUCTS = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}
_SIGNS = 0x80808080  # a signed byte plus 128 is the byte with its first bit turned


Count = int | tuple[ir.Value, ...]
Operand = tuple[ir.Value, ...]  # quads, or the even and the odd bytes of each in 16 bits


def quads_at_once(unroll: int) -> int:
    """The number of quads that the innermost loop unrolls, for `unroll` steps of k."""
    return max(1, unroll // QUAD)


def sums_bytes(has_vnni: bool, b: DType) -> bool:
    """Does one instruction multiply whole quads?"""
    return has_vnni and b is DType.I8


def add_quads(k: KernelBuilder, total: ir.Value, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
    """total + the four products of each lane's bytes, by one instruction."""
    lanes = total.type.count
    quads = [k.ir.bitcast(x, ir.VectorType(I8, QUAD * lanes)) for x in (unsigned, signed)]
    return k.call(f"llvm.x86.avx512.vpdpbusd.{_INSTRUCTION_BITS[lanes]}", total.type, [total, *quads])


def accumulate_quads(k: KernelBuilder, tile: Tile, a: ir.Value, b: ir.Value, start: ir.Value | None) -> Sums:
    """The sums of one tile, rows * vectors values, row by row. A's innermost reduce axis is contiguous.

    start: address of -128 * sum of B's columns, if A is signed and B i8
    """
    return _QuadNest(k, tile).sums(a, b, start)


class _QuadNest:
    """The loops over the reduce axes, with the values that stay the same in all of them."""

    def __init__(self, k: KernelBuilder, tile: Tile) -> None:
        self.k, self.tile, self.lanes = k, tile, tile.lanes
        self.has_vnni = "vnni" in k.target.extensions
        self.by_quads = sums_bytes(self.has_vnni, tile.b_dtype)
        self.is_signed = tile.a_dtype is DType.I8
        self.words, self.pairs = vector_type(I32, tile.lanes), ir.VectorType(I16, 2 * tile.lanes)

    def sums(self, a: ir.Value, b: ir.Value, start: ir.Value | None) -> Sums:
        k, tile = self.k, self.tile
        row: Sums = [ir.Constant(self.words, None)] * tile.vectors
        if self.by_quads and start is not None:
            row = [k.load(k.address(start, v * self.lanes, I32), self.words, 4) for v in range(tile.vectors)]
        return self._nest(0, a, b, row * tile.rows)

    def _nest(self, depth: int, a: ir.Value, b: ir.Value, sums: Sums) -> Sums:
        k, level = self.k, self.tile.levels[depth]
        if depth + 1 == len(self.tile.levels):
            return self._innermost(a, b, sums)
        with k.loop(0, level.extent, carried=sums) as loop:
            a_at, b_at = advance(k, self.tile, level, a, b, loop.index)
            loop.next = self._nest(depth + 1, a_at, b_at, loop.carried)
        return loop.results

    def _innermost(self, a: ir.Value, b: ir.Value, sums: Sums) -> Sums:
        """Several quads at once, then the ones left, then a last one for a depth that is no multiple of four."""
        k, tile, level = self.k, self.tile, self.tile.levels[-1]
        if not isinstance(level.extent, int):
            return self._innermost_open(a, b, sums)
        unroll = quads_at_once(tile.unroll)
        quads, rest = divmod(level.extent, QUAD)
        whole = quads // unroll * unroll
        if whole:
            with k.loop(0, QUAD * whole, QUAD * unroll, carried=sums) as loop:
                a_at, b_at = advance(k, tile, level, a, b, loop.index)
                loop.next = loop.carried
                if tile.ahead is not None:
                    request_next(k, tile.ahead, b_at)
                for u in range(unroll):
                    loop.next = self._quad(*advance(k, tile, level, a_at, b_at, k.i64(QUAD * u)), loop.next)
            sums = loop.results
        for q in range(whole, quads):
            sums = self._quad(*advance(k, tile, level, a, b, k.i64(QUAD * q)), sums)
        if rest:
            _, b_at = advance(k, tile, level, a, b, k.i64(QUAD * quads))
            overlap = QUAD if quads else rest
            sums = self._quad(k.address(a, level.extent - overlap, I8), b_at, sums, overlap)
        return sums

    def _innermost_open(self, a: ir.Value, b: ir.Value, sums: Sums) -> Sums:
        """The same for a depth that only a run tells. Its last quad reads bytes of A that exist, one by one."""
        k, tile, level = self.k, self.tile, self.tile.levels[-1]
        extent, at_once = k.index(level.extent), QUAD * quads_at_once(tile.unroll)
        rest = k.ir.urem(extent, k.i64(QUAD))
        quads, whole = k.ir.sub(extent, rest), k.ir.sub(extent, k.ir.urem(extent, k.i64(at_once)))
        for first, end, step in ((k.i64(0), whole, at_once), (whole, quads, QUAD)):
            with k.loop(first, end, step, carried=sums) as loop:
                a_at, b_at = advance(k, tile, level, a, b, loop.index)
                loop.next = loop.carried
                for u in range(0, step, QUAD):
                    loop.next = self._quad(*advance(k, tile, level, a_at, b_at, k.i64(u)), loop.next)
            sums = loop.results
        begin = k.ir.sub(extent, k.minimum(extent, k.i64(QUAD)))
        last = k.ir.sub(k.ir.sub(extent, k.i64(1)), begin)
        _, b_at = advance(k, tile, level, a, b, quads)
        with k.loop(0, k.minimum(rest, k.i64(1)), carried=sums) as loop:
            places = tuple(k.minimum(k.i64(n), last) for n in range(QUAD))
            loop.next = self._quad(k.address(a, begin, I8), b_at, loop.carried, places)
        return loop.results

    def _quad(self, a: ir.Value, b: ir.Value, sums: Sums, count: Count = QUAD) -> Sums:
        """Four products a sum; count: the bytes of A that exist, or where each of four lies."""
        k, tile = self.k, self.tile
        keep_order(k)
        if tile.prefetch != 0:
            row = k.address(b, k.dim(tile.prefetch), storage_type(tile.b_dtype))
            request_row(k, row, QUAD * tile.vectors * self.lanes * tile.b_dtype.size_bytes)
        if self.by_quads:
            columns: list[Operand] = [(self._words(b, v),) for v in range(tile.vectors)]
            return self._each(lambda offset: self._unsigned(a, offset, count), columns, sums, self._dot_quads)
        halves = [self._halves_of_b(b, v) for v in range(tile.vectors)]
        return self._each(lambda offset: self._halves_of_a(a, offset, count), halves, sums, self._dot_halves)

    def _each(
        self,
        row_of: Callable[[Dim], Operand],
        columns: list[Operand],
        sums: Sums,
        product: Callable[[ir.Value, Operand, Operand], ir.Value],
    ) -> Sums:
        total = list(sums)
        for i, offset in enumerate(self.tile.offsets):
            row = row_of(offset)
            for v, column in enumerate(columns):
                at = i * len(columns) + v
                total[at] = product(total[at], row, column)
        return total

    # ---- operands -----------------------------------------------------------------------------------------------

    def _row(self, a: ir.Value, offset: Dim, count: Count) -> ir.Value:
        """A row's next bytes in all lanes; those that do not exist are zero, or are multiplied by zero."""
        k = self.k
        at = k.address(a, k.dim(offset), I8)
        word = k.load(at, I32, 1) if count == QUAD else self._few(at, count)
        # LLVM would do what follows on the one element before it is repeated, in general registers
        kind, register = ir.FunctionType(self.words, [self.words]), "v" if k.at_least("x86-64-v4") else "x"
        return k.ir.asm(kind, "", f"={register},0", [k.splat(word, self.lanes)], side_effect=False)

    def _few(self, at: ir.Value, count: Count) -> ir.Value:
        """One to three bytes, or four at places of their own."""
        k = self.k
        if not isinstance(count, int):
            bytes_ = [k.ir.zext(k.load(k.address(at, place, I8), I8, 1), I32) for place in count]
            shifted = [k.ir.shl(byte, ir.Constant(I32, 8 * n)) for n, byte in enumerate(bytes_)]
            return k.ir.or_(k.ir.or_(shifted[0], shifted[1]), k.ir.or_(shifted[2], shifted[3]))
        if count == 1:
            return k.ir.zext(k.load(at, I8, 1), I32)
        pair = k.ir.zext(k.load(at, I16, 1), I32)
        if count == 2:
            return pair
        third = k.ir.zext(k.load(k.address(at, 2, I8), I8, 1), I32)
        return k.ir.or_(pair, k.ir.shl(third, ir.Constant(I32, 16)))

    def _unsigned(self, a: ir.Value, offset: Dim, count: Count) -> Operand:
        row = self._row(a, offset, count)
        return (self.k.ir.xor(row, fill(row, I32, _SIGNS)) if self.is_signed else row,)

    def _halves_of_a(self, a: ir.Value, offset: Dim, count: Count) -> Operand:
        return self._halves(self._row(a, offset, count), self.is_signed)

    def _words(self, b: ir.Value, vector: int) -> ir.Value:
        """32 bits of each column."""
        return self.k.load(self.k.address(b, vector * self.lanes, I32), self.words, 4)

    def _halves_of_b(self, b: ir.Value, vector: int) -> Operand:
        if self.tile.b_dtype is DType.I8:
            return self._halves(self._words(b, vector), is_signed=True)
        width = self.tile.levels[-1].b_step  # of the panel, which the last one does not fill
        places = b, self.k.address(b, self.k.dim(width), I32)
        return tuple(self.k.ir.bitcast(self._words(place, vector), self.pairs) for place in places)

    def _halves(self, quads: ir.Value, is_signed: bool) -> Operand:
        """The even and the odd bytes of each quad, in 16 bits."""
        k, pairs = self.k, self.k.ir.bitcast(quads, self.pairs)
        eight = fill(pairs, I16, 8)
        if is_signed:
            return k.ir.ashr(k.ir.shl(pairs, eight), eight), k.ir.ashr(pairs, eight)
        return k.ir.and_(pairs, fill(pairs, I16, 0xFF)), k.ir.lshr(pairs, eight)

    # ---- products -----------------------------------------------------------------------------------------------

    def _dot_quads(self, total: ir.Value, row: Operand, column: Operand) -> ir.Value:
        return add_quads(self.k, total, row[0], column[0])

    def _dot_halves(self, total: ir.Value, row: Operand, column: Operand) -> ir.Value:
        for x, y in zip(row, column):
            if self.has_vnni:
                name = f"llvm.x86.avx512.vpdpwssd.{_INSTRUCTION_BITS[self.lanes]}"
                total = self.k.call(name, self.words, [total, x, y])
            else:
                products = self.k.call(f"llvm.x86.{_WIDE_PRODUCTS[self.lanes]}", self.words, [x, y])
                total = self.k.ir.add(total, products)
        return total
