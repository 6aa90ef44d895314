"""Products of tiles: row tiles of A times column tiles of B, 16 x 16 sums each, by AMX or step by step in vectors.

    sums[r][c] += A[r] B[c]     A[r]: up to 16 rows of at most 64 bytes along k;   B[c]: [k / 2][16 columns][2] bf16,
                                                                                   or [k / 4][16 columns][4] bytes

bf16    within a step the even and the odd k are two chains of multiply-adds from zero; then sums + (even + odd). Every
        operation rounds to f32, subnormals are zero. So the cut of k into steps is part of the answer
bytes   exact integers modulo 2^32

Without AMX the same steps are vector instructions, and give the same bits wherever there is FMA. The tiles are named by
number: nothing else in a kernel uses them, and no kernel calls another.

Source: measured against the instructions, 1,600 random tiles (Intel, tdpbf16ps, tdpbssd and its variants).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from llvmlite import ir

from burnish.dtypes import DType
from burnish.targets.cpu.builder import F32, I8, I32, KernelBuilder
from burnish.targets.cpu.expressions.storage import fill
from burnish.targets.cpu.register_tile.parts import TERMS

ROWS, ROW_BYTES, TILE_BYTES, REGISTERS = 16, 64, 1024, 8
_SUMS, _INTEGERS = ir.VectorType(F32, ROWS), ir.VectorType(I32, ROWS)
_PALETTE_1, _WIDTHS_AT, _HEIGHTS_AT = 1, 16, 48


@dataclass(frozen=True)
class Rows:
    """Rows in memory, of A in a step or of sums: where the first begins, and the bytes from row to row."""

    place: ir.Value
    stride: ir.Value


@dataclass(frozen=True)
class Matrix:
    """What is multiplied: rows x columns tiles. height: rows of a row tile; depth_bytes: of a row of A in a step."""

    a: DType
    b: DType
    rows: int
    columns: int
    height: ir.Value
    depth_bytes: int

    @property
    def column_bytes(self) -> int:
        """Bytes of a column tile of B in a step."""
        return self.depth_bytes // 4 * ROW_BYTES


class Multiplier(Protocol):
    """How a kernel multiplies tiles. Sums lie in memory as rows: 16 for each row tile, column tiles side by side."""

    def begin(self, config: ir.Value) -> None:
        """At the kernel's start. config: 64 bytes of the kernel's own."""

    def clear(self, sums: Rows, first: ir.Value | None = None) -> None:
        """Start sums from zero, or every row from the numbers at `first`, 64 bytes for each column tile.

        They will be kept there.
        """

    def resume(self, sums: Rows) -> None:
        """Start from the sums that are there; the rows of the last row tile's end must exist too."""

    def step(self, a: Sequence[Rows], b: ir.Value, sums: Rows) -> None:
        """Add the products of one step. b: the first column tile; the others follow it."""

    def step_of_parts(self, a: Sequence[Sequence[Rows]], b: Sequence[ir.Value], sums: Rows) -> None:
        """Add the products of one step of f32 numbers; a, b: of each part (parts.py), as for `step`."""

    def keep(self, sums: Rows) -> None:
        """The sums are complete: they must be in memory now."""

    def end(self) -> None:
        """At the kernel's end."""


def multiplier(k: KernelBuilder, matrix: Matrix) -> Multiplier:
    """Tiles where the target has them. Checked code is emulated, since its accesses must be plain loads."""
    return TileRegisters(k, matrix) if k.target.has_tiles else VectorSteps(k, matrix)


def sums_place(k: KernelBuilder, sums: Rows, row: int, column: int) -> ir.Value:
    """Where the sums of a pair of tiles begin."""
    down = k.address(sums.place, k.ir.mul(sums.stride, k.i64(row * ROWS)), I8) if row else sums.place
    return k.address(down, column * ROW_BYTES, I8)


class TileRegisters:
    """AMX. Sums are tiles 0, 1 ...; then the tiles of the side that has fewer, held; the other side's come in turn."""

    def __init__(self, k: KernelBuilder, matrix: Matrix) -> None:
        self.k, self.matrix = k, matrix
        self.sums = matrix.rows * matrix.columns
        self.holds_b = matrix.columns <= matrix.rows
        self.stream = self.sums + min(matrix.rows, matrix.columns)
        self.row_bytes = k.i64(ROW_BYTES)
        signs = "".join("s" if d.is_signed else "u" for d in (matrix.a, matrix.b))
        self.product = "tdpbf16ps" if matrix.a is DType.BF16 else f"tdpb{signs}d"

    def begin(self, config: ir.Value) -> None:
        """Palette 1: rows and bytes of a row for each register. Rows are a value, since M may be known only now."""
        k, m = self.k, self.matrix
        height, depth = k.ir.trunc(m.height, I8), m.depth_bytes
        held, stream = ((depth // 4, ROW_BYTES), (height, depth))[:: 1 if self.holds_b else -1]
        shapes = [(height, ROW_BYTES)] * self.sums + [held] * (self.stream - self.sums)
        shapes += [stream] * (REGISTERS - len(shapes))
        for at in range(0, ROW_BYTES, 8):
            k.ir.store(k.i64(_PALETTE_1 if at == 0 else 0), k.address(config, at, I8), align=8)
        for n, (rows, width) in enumerate(shapes):
            k.ir.store(I8(width), k.address(config, _WIDTHS_AT + 2 * n, I8), align=1)
            k.ir.store(I8(rows) if isinstance(rows, int) else rows, k.address(config, _HEIGHTS_AT + n, I8), align=1)
        self._call("ldtilecfg", config)

    def clear(self, sums: Rows, first: ir.Value | None = None) -> None:
        for n in range(self.sums):
            if first is None:
                self._call("tilezero", I8(n))
            else:
                self._load(n, self.k.address(first, n % self.matrix.columns * ROW_BYTES, I8), self.k.i64(0))

    def resume(self, sums: Rows) -> None:
        for n in range(self.sums):
            self._load(n, sums_place(self.k, sums, *divmod(n, self.matrix.columns)), sums.stride)

    def step(self, a: Sequence[Rows], b: ir.Value, sums: Rows) -> None:
        m, left = self.matrix, REGISTERS - self.stream
        if self.holds_b:
            for c in range(m.columns):
                self._load_columns(self.sums + c, b, c)
            for r, rows in enumerate(a):
                self._load(self.stream + r % left, rows.place, rows.stride)
                for c in range(m.columns):
                    self._multiply(r, c, self.stream + r % left, self.sums + c)
            return
        for r, rows in enumerate(a):
            self._load(self.sums + r, rows.place, rows.stride)
        for c in range(m.columns):
            self._load_columns(self.stream + c % left, b, c)
            for r in range(m.rows):
                self._multiply(r, c, self.sums + r, self.stream + c % left)

    def step_of_parts(self, a: Sequence[Sequence[Rows]], b: Sequence[ir.Value], sums: Rows) -> None:
        m = self.matrix
        assert self.stream + max(m.rows, m.columns) <= REGISTERS, "both sides' tiles of a part lie in registers"
        of_a, of_b = (self.stream, self.sums) if self.holds_b else (self.sums, self.stream)
        for n, (left, right) in enumerate(TERMS):
            before = TERMS[n - 1] if n else (None, None)
            for r in range(m.rows):
                if left != before[0]:
                    self._load(of_a + r, a[left][r].place, a[left][r].stride)
                for c in range(m.columns):
                    if r == 0 and right != before[1]:
                        self._load_columns(of_b + c, b[right], c)
                    self._multiply(r, c, of_a + r, of_b + c)

    def keep(self, sums: Rows) -> None:
        for n in range(self.sums):
            place = sums_place(self.k, sums, *divmod(n, self.matrix.columns))
            self._call("tilestored64", I8(n), place, sums.stride)

    def end(self) -> None:
        self._call("tilerelease")

    def _load_columns(self, tile: int, b: ir.Value, column: int) -> None:
        self._load(tile, self.k.address(b, column * self.matrix.column_bytes, I8), self.row_bytes)

    def _load(self, tile: int, place: ir.Value, stride: ir.Value) -> None:
        self._call("tileloadd64", I8(tile), place, stride)

    def _multiply(self, row: int, column: int, a: int, b: int) -> None:
        self._call(self.product, I8(row * self.matrix.columns + column), I8(a), I8(b))

    def _call(self, name: str, *arguments: ir.Value) -> None:
        self.k.call(f"llvm.x86.{name}", ir.VoidType(), arguments)


class VectorSteps:
    """The same sums by vector instructions, row by row; they stay in memory from step to step."""

    def __init__(self, k: KernelBuilder, matrix: Matrix) -> None:
        self.k, self.matrix, self.is_float = k, matrix, matrix.a is DType.BF16
        self.kind = _SUMS if self.is_float else _INTEGERS

    def begin(self, config: ir.Value) -> None:
        return None

    def clear(self, sums: Rows, first: ir.Value | None = None) -> None:
        k, m = self.k, self.matrix
        start = [ir.Constant(self.kind, None)] * m.columns
        if first is not None:
            start = [k.load(k.address(first, c * ROW_BYTES, I8), self.kind, 4) for c in range(m.columns)]
        with k.loop(0, m.rows * ROWS) as loop:
            row = k.address(sums.place, k.ir.mul(loop.index, sums.stride), I8)
            for c in range(m.columns):
                k.ir.store(start[c], k.address(row, c * ROW_BYTES, I8), align=ROW_BYTES)

    def resume(self, sums: Rows) -> None:
        return None

    def step(self, a: Sequence[Rows], b: ir.Value, sums: Rows) -> None:
        k, m = self.k, self.matrix
        for r, rows in enumerate(a):
            tile = sums_place(k, sums, r, 0)
            with k.loop(0, m.height) as loop:
                place = k.address(rows.place, k.ir.mul(loop.index, rows.stride), I8)
                row = k.address(tile, k.ir.mul(loop.index, sums.stride), I8)
                self._row(place, b, [k.address(row, c * ROW_BYTES, I8) for c in range(m.columns)])

    def step_of_parts(self, a: Sequence[Sequence[Rows]], b: Sequence[ir.Value], sums: Rows) -> None:
        for left, right in TERMS:
            self.step(a[left], b[right], sums)

    def keep(self, sums: Rows) -> None:
        return None

    def end(self) -> None:
        return None

    def _row(self, a: ir.Value, b: ir.Value, sums: Sequence[ir.Value]) -> None:
        """One row of A times all columns of B in this step, added to sums in memory."""
        k, m = self.k, self.matrix
        chains = (2 if self.is_float else 1) * m.columns
        with k.loop(0, m.depth_bytes // 4, carried=[ir.Constant(self.kind, None)] * chains) as loop:
            word = k.load(k.address(a, loop.index, I32), I32, m.a.size_bytes)
            left, at = k.splat(word, ROWS), k.ir.mul(loop.index, k.i64(ROW_BYTES))
            for c in range(m.columns):
                place = k.address(k.address(b, c * m.column_bytes, I8), at, I8)
                right = k.load(place, _INTEGERS, 4)
                loop.next += self._lanes(left, right, loop.carried[len(loop.next) :])
        for c, place in enumerate(sums):
            old = k.load(place, self.kind, ROW_BYTES)
            if self.is_float:
                even, odd = loop.results[2 * c : 2 * c + 2]
                k.ir.store(k.ir.fadd(old, k.ir.fadd(even, odd)), place, align=ROW_BYTES)
            else:
                k.ir.store(k.ir.add(old, loop.results[c]), place, align=ROW_BYTES)

    def _lanes(self, left: ir.Value, right: ir.Value, chains: Sequence[ir.Value]) -> list[ir.Value]:
        """A word of A times a word of each column: two bf16, or four bytes."""
        k = self.k
        if self.is_float:
            return [k.multiply_add(_half(k, left, h), _half(k, right, h), chains[h]) for h in (0, 1)]
        total = chains[0]
        for byte in range(4):
            x, y = _byte(k, left, byte, self.matrix.a), _byte(k, right, byte, self.matrix.b)
            total = k.ir.add(total, k.ir.mul(x, y))
        return [total]


def _half(k: KernelBuilder, pairs: ir.Value, odd: int) -> ir.Value:
    """The first or the second of each pair of bf16, as f32."""
    bits = k.ir.and_(pairs, fill(pairs, I32, 0xFFFF0000)) if odd else k.ir.shl(pairs, fill(pairs, I32, 16))
    return k.ir.bitcast(bits, _SUMS)


def _byte(k: KernelBuilder, words: ir.Value, number: int, dtype: DType) -> ir.Value:
    """Byte `number` of each word, as a 32-bit integer."""
    high = k.ir.shl(words, fill(words, I32, 24 - 8 * number))
    shift = k.ir.ashr if dtype.is_signed else k.ir.lshr
    return shift(high, fill(words, I32, 24))
