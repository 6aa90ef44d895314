"""Weights of few bits on their way into registers: codes of 2, 4 or 8 bits, with a scale for each block of k.

    few rows    sums[row] += scale * sum over a block of A[row, k] * (code[k] - zero): one product by the scale for each
                block, none for each weight. Differences of codes are exact, so this rounds less often than f32 weights
    many rows   (code - zero) * scale, rounded as DequantizeLinear does, written to memory once for all rows

    bf16 data   as few rows, two k by one instruction (vdpbf16ps): codes without their zero points are exact in bf16, so
                that only the data are rounded, not weights as well
A word of 32 bits holds the codes of one column at consecutive k. With 16 lanes one instruction looks the low four bits
of each lane up in a table of 16 numbers, whatever lies above them; otherwise two shifts and a conversion make a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cpu.builder import F32, I16, I32, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.storage import fill, storage_type, to_register
from burnish.targets.cpu.register_tile.accumulate import Sums, keep_order, multiply_add
from burnish.targets.cpu.register_tile.load import load_operand, scaled
from burnish.targets.cpu.register_tile.pairs import add_pairs
from burnish.targets.cpu.register_tile.prefetch import request_row

_TABLE = 16  # numbers in the look-up; lanes too
_CHAINS = 4  # sums that grow at the same time: a multiply-add takes four cycles
_WORD_BYTES, _HALF_BITS = 4, 16
_HALVES = ir.VectorType(I16, 2 * _TABLE)
_PAIR_TABLE = 32  # numbers in the look-up of pairs: five bits of an index


@dataclass(frozen=True, slots=True)
class Codes:
    """How a panel of B lies: words [K / per_word][width], scales and zero points [blocks][width].

    size: the k of a block; prefetch: words ahead of their use at which a row of the panel is prefetched, or 0
    paired: in each word the even k lie in the low half and the odd k in the high half
    """

    bits: int
    size: int
    depth: int
    width: int
    lanes: int
    scale: DType
    zero: DType | None
    unroll: int
    prefetch: int
    paired: bool = False

    def shift(self, place: int) -> int:
        """The lowest bit of a word's code number `place`."""
        return place // 2 * self.bits + place % 2 * _HALF_BITS if self.paired else place * self.bits

    @property
    def per_word(self) -> int:
        return 8 * _WORD_BYTES // self.bits


@dataclass(frozen=True, slots=True)
class Place:
    """Addresses of a panel's words, scales and zero points (None: there are none), at the same columns and k."""

    words: ir.Value
    scales: ir.Value
    zeros: ir.Value | None


@dataclass(frozen=True, slots=True)
class RowsOfA:
    """Where A is: its first row's address, the distance of each row from it, the step from k to k."""

    place: ir.Value
    offsets: tuple[Dim, ...]
    step: Dim
    dtype: DType


class CodeReader:
    """Reads a panel, one block after the other. first, vectors: which of the panel's vectors."""

    def __init__(self, k: KernelBuilder, codes: Codes, first: int, vectors: int) -> None:
        self.k, self.codes, self.first, self.vectors = k, codes, first, vectors
        self.kind, self.words = vector_type(F32, codes.lanes), vector_type(I32, codes.lanes)
        self.looks_up = codes.bits < 8 and codes.lanes == _TABLE and k.at_least("x86-64-v4")

    def at_block(self, place: Place, number: ir.Value) -> Place:
        """The place of a whole block."""
        k, c = self.k, self.codes
        row = k.ir.mul(number, k.i64(c.width))
        words = k.address(place.words, k.ir.mul(row, k.i64(c.size // c.per_word)), I32)
        zeros = place.zeros
        if zeros is not None and c.zero is not None:
            zeros = k.address(zeros, row, storage_type(c.zero))
        return Place(words, k.address(place.scales, row, storage_type(c.scale)), zeros)

    def scales(self, place: Place) -> list[ir.Value]:
        return [self._parameter(place.scales, self.codes.scale, v) for v in range(self.vectors)]

    def zeros(self, place: Place) -> list[ir.Value | None]:
        """The zero points as numbers."""
        zero = self.codes.zero
        if place.zeros is None or zero is None:
            return [None] * self.vectors
        return [self._parameter(place.zeros, zero, v) for v in range(self.vectors)]

    def words_at(self, place: Place, number: ir.Value) -> list[ir.Value]:
        """Word `number` of each column of a block."""
        k, c = self.k, self.codes
        keep_order(k)
        at = k.address(place.words, k.ir.add(k.ir.mul(number, k.i64(c.width)), k.i64(self.first * c.lanes)), I32)
        if c.prefetch:
            request_row(k, k.address(at, c.prefetch * c.width, I32), self.vectors * c.lanes * _WORD_BYTES)
        return [k.load(k.address(at, v * c.lanes, I32), self.words, _WORD_BYTES) for v in range(self.vectors)]

    def number(self, word: ir.Value, place: int, zero: ir.Value | None) -> ir.Value:
        """Code number `place` of a word without its zero point, in f32."""
        k, c, bits, is_signed = self.k, self.codes, self.codes.bits, self.codes.zero is None
        if self.looks_up:
            shifted = k.ir.lshr(word, fill(word, I32, c.shift(place))) if place else word
            value = k.call("llvm.x86.avx512.permvar.sf.512", self.kind, [self._table(is_signed), shifted])
        elif is_signed:
            high = k.ir.shl(word, fill(word, I32, 32 - bits - c.shift(place)))
            value = k.ir.sitofp(k.ir.ashr(high, fill(word, I32, 32 - bits)), self.kind)
        else:
            low = k.ir.and_(k.ir.lshr(word, fill(word, I32, c.shift(place))), fill(word, I32, (1 << bits) - 1))
            value = k.ir.sitofp(low, self.kind)
        return value if zero is None else k.ir.fsub(value, zero)

    def zero_steps(self, place: Place) -> list[ir.Value | None]:
        """The zero points as integers of 16 bits, each in both halves of a column's word."""
        k, c = self.k, self.codes
        if place.zeros is None or c.zero is None:
            return [None] * self.vectors
        found: list[ir.Value | None] = []
        for v in range(self.vectors):
            at = k.address(place.zeros, (self.first + v) * c.lanes, storage_type(c.zero))
            steps = k.ir.zext(k.load(at, vector_type(storage_type(c.zero), c.lanes), 1), self.words)
            both = k.ir.or_(steps, k.ir.shl(steps, fill(steps, I32, _HALF_BITS)))
            found.append(k.ir.bitcast(both, _HALVES))
        return found

    def pair(self, word: ir.Value, number: int, zero: ir.Value | None) -> ir.Value:
        """The codes 2 * number and 2 * number + 1 of a word, without their zero point, as two bf16: exactly."""
        k, bits = self.k, self.codes.bits
        shifted = k.ir.lshr(word, fill(word, I32, number * bits)) if number else word
        index = k.ir.bitcast(shifted, _HALVES)
        if zero is not None:  # the table holds differences: those of five bits
            index = k.ir.sub(k.ir.and_(index, fill(index, I16, (1 << bits) - 1)), zero)
            numbers = [n if n < _PAIR_TABLE // 2 else n - _PAIR_TABLE for n in range(_PAIR_TABLE)]
        else:  # bits above a code, of its neighbours, change nothing
            low = [n % (1 << bits) for n in range(_PAIR_TABLE)]
            numbers = [n - (1 << bits) if n >> (bits - 1) else n for n in low]
        codes = np.array(numbers, np.float32).view(np.uint32) >> _HALF_BITS
        return k.call("llvm.x86.avx512.permvar.hi.512", _HALVES, [ir.Constant(_HALVES, codes.tolist()), index])

    def _table(self, is_signed: bool) -> ir.Constant:
        bits = self.codes.bits
        numbers = [n % (1 << bits) for n in range(_TABLE)]
        if is_signed:
            numbers = [n - (1 << bits) if n >> (bits - 1) else n for n in numbers]
        return ir.Constant(self.kind, [float(n) for n in numbers])

    def _parameter(self, place: ir.Value, dtype: DType, vector: int) -> ir.Value:
        k, lanes = self.k, self.codes.lanes
        at = k.address(place, (self.first + vector) * lanes, storage_type(dtype))
        if dtype.is_float:
            return load_operand(k, at, dtype, DType.F32, lanes)
        raw = to_register(k, dtype, k.load(at, vector_type(storage_type(dtype), lanes), dtype.size_bytes))
        return k.ir.sitofp(k.ir.zext(raw, self.words), self.kind)


def reads_pairs(k: KernelBuilder, codes: Codes, a: RowsOfA) -> bool:
    """Are two k multiplied by one instruction? Zero points must be codes."""
    has_table = codes.paired and codes.lanes == _TABLE and codes.zero in (None, DType.U8)
    return has_table and "bf16" in k.target.extensions and a.dtype is DType.BF16 and a.step == 1


def accumulate_codes(k: KernelBuilder, codes: Codes, a: RowsOfA, place: Place, first: int, vectors: int) -> Sums:
    """The sums of a tile of few rows, rows * vectors values, row by row."""
    return _CodeNest(k, CodeReader(k, codes, first, vectors), a).sums(place)


class _CodeNest:
    def __init__(self, k: KernelBuilder, reader: CodeReader, a: RowsOfA) -> None:
        self.k, self.reader, self.codes, self.a = k, reader, reader.codes, a
        self.count = len(a.offsets) * reader.vectors
        self.chains = max(1, _CHAINS // self.count)
        self.by_pairs = reads_pairs(k, self.codes, a)
        self.zero = ir.Constant(reader.kind, None if self.codes.lanes > 1 else 0)

    def sums(self, place: Place) -> Sums:
        k, c = self.k, self.codes
        whole, rest = divmod(c.depth, c.size)
        sums: Sums = [self.zero] * self.count
        if whole:
            with k.loop(0, whole, carried=sums) as loop:
                at = self._a_at(self.a.place, k.ir.mul(loop.index, k.i64(c.size)))
                loop.next = self._block(at, self.reader.at_block(place, loop.index), c.size, loop.carried)
            sums = loop.results
        if rest:
            at = self._a_at(self.a.place, k.i64(whole * c.size))
            sums = self._block(at, self.reader.at_block(place, k.i64(whole)), rest, sums)
        return sums

    def _block(self, a: ir.Value, place: Place, depth: int, sums: Sums) -> Sums:
        """Add the products of one block of `depth` k."""
        k, c, reader = self.k, self.codes, self.reader
        zeros = reader.zero_steps(place) if self.by_pairs else reader.zeros(place)
        words, rest = divmod(depth, c.per_word)
        unroll = min(c.unroll, words)
        parts: Sums = [self.zero] * (self.count * self.chains)
        whole = words // unroll * unroll if unroll else 0
        if whole:
            with k.loop(0, whole, unroll, carried=parts) as loop:
                loop.next = loop.carried
                for u in range(unroll):
                    number = k.ir.add(loop.index, k.i64(u))
                    loop.next = self._word(a, place, number, zeros, loop.next, c.per_word)
            parts = loop.results
        for w in range(whole, words + (rest > 0)):
            parts = self._word(a, place, k.i64(w), zeros, parts, c.per_word if w < words else rest)
        scales = reader.scales(place)
        total = list(sums)
        for n in range(self.count):
            part = parts[n]
            for chain in range(1, self.chains):
                part = k.ir.fadd(part, parts[chain * self.count + n])
            total[n] = multiply_add(k, scales[n % reader.vectors], part, total[n])
        return total

    def _word(
        self, a: ir.Value, place: Place, number: ir.Value, zeros: list[ir.Value | None], parts: Sums, depth: int
    ) -> Sums:
        """Add the products of the first `depth` k of a word of each column."""
        k, c, reader = self.k, self.codes, self.reader
        words = reader.words_at(place, number)
        at = self._a_at(a, k.ir.mul(number, k.i64(c.per_word)))
        total = list(parts)
        if self.by_pairs:
            return self._pairs(at, words, zeros, total, depth)
        for j in range(depth):
            columns = [reader.number(word, j, zero) for word, zero in zip(words, zeros)]
            chain = j % self.chains * self.count
            for i, offset in enumerate(self.a.offsets):
                place_of_a = k.address(self._a_at(at, k.i64(j)), k.dim(offset), storage_type(self.a.dtype))
                factor = k.splat(load_operand(k, place_of_a, self.a.dtype, DType.F32), c.lanes)
                for v, column in enumerate(columns):
                    n = chain + i * reader.vectors + v
                    total[n] = multiply_add(k, factor, column, total[n])
        return total

    def _pairs(self, a: ir.Value, words: list[ir.Value], zeros: list[ir.Value | None], total: Sums, depth: int) -> Sums:
        """The same by pairs of k; of an odd number of k the last one alone."""
        k, c, reader = self.k, self.codes, self.reader
        for p in range(-(-depth // 2)):
            columns = [reader.pair(word, p, zero) for word, zero in zip(words, zeros)]
            chain = p % self.chains * self.count
            for i, offset in enumerate(self.a.offsets):
                place = k.address(self._a_at(a, k.i64(2 * p)), k.dim(offset), I16)
                is_last = 2 * p + 1 == depth
                pair = k.ir.zext(k.load(place, I16, 2), I32) if is_last else k.load(place, I32, 2)
                row = k.splat(pair, c.lanes)
                for v, column in enumerate(columns):
                    n = chain + i * reader.vectors + v
                    total[n] = add_pairs(k, total[n], row, column)
        return total

    def _a_at(self, a: ir.Value, count: ir.Value) -> ir.Value:
        return self.k.address(a, scaled(self.k, count, self.a.step), storage_type(self.a.dtype))


def widen_codes(k: KernelBuilder, codes: Codes, place: Place, into: ir.Value) -> None:
    """Write (code - zero) * scale of a panel, f32 [depth][width]."""
    whole, rest = divmod(codes.depth, codes.size)
    if whole:
        with k.loop(0, whole) as loop:
            _widen_block(k, codes, place, loop.index, codes.size, into)
    if rest:
        _widen_block(k, codes, place, k.i64(whole), rest, into)


def _widen_block(k: KernelBuilder, codes: Codes, place: Place, number: ir.Value, depth: int, into: ir.Value) -> None:
    words, rest = divmod(depth, codes.per_word)
    first = k.ir.mul(number, k.i64(codes.size * codes.width))
    for v in range(codes.width // codes.lanes):
        reader = CodeReader(k, codes, v, 1)
        block, columns = reader.at_block(place, number), k.address(into, k.ir.add(first, k.i64(v * codes.lanes)), F32)
        if words:
            with k.loop(0, words) as loop:
                _widen_word(reader, block, loop.index, codes.per_word, columns)
        if rest:
            _widen_word(reader, block, k.i64(words), rest, columns)


def _widen_word(reader: CodeReader, block: Place, number: ir.Value, depth: int, into: ir.Value) -> None:
    k, c = reader.k, reader.codes
    (scale,), (zero,), (word,) = reader.scales(block), reader.zeros(block), reader.words_at(block, number)
    at = k.address(into, k.ir.mul(number, k.i64(c.per_word * c.width)), F32)
    for j in range(depth):
        value = k.ir.fmul(reader.number(word, j, zero), scale)
        k.ir.store(value, k.address(at, j * c.width, F32), align=4)
