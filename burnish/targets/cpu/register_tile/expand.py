"""Weights without their zeros on their way into registers: a mask for each vector, and the numbers that are left.

    for every k and vector:   B = expand(numbers, mask); numbers += ones of the mask; acc[row] += splat(A[row, k]) * B

One instruction (vexpandps) moves the next numbers to the lanes of the mask and makes the others +0. So products and
their order are those of dense weights, bit for bit, infinities and NaN in the data included.

A constant in memory, in bytes; a whole vector may be read at the last numbers, so that READ_BEYOND bytes follow them:

    0                  where each panel begins, i64
    a panel            masks [K][vectors], 16 bits, in whole cache lines; then the numbers, in the same order: f32, or
                       bf16, widened and expanded as integers (vpexpandd)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cpu.builder import F32, I1, I8, I16, I32, I64, KernelBuilder
from burnish.targets.cpu.expressions.storage import fill, storage_type
from burnish.targets.cpu.register_tile.accumulate import Sums, keep_order, multiply_add
from burnish.targets.cpu.register_tile.codes import RowsOfA
from burnish.targets.cpu.register_tile.load import load_operand, scaled
from burnish.targets.cpu.register_tile.prefetch import LINE_BYTES, request_row

FORM = "sparse"
LANES, MASK_BYTES, READ_BEYOND = 16, 2, 64
_VECTOR, _MASK = ir.VectorType(F32, LANES), ir.VectorType(I1, LANES)
_WORDS, _HALVES = ir.VectorType(I32, LANES), ir.VectorType(I16, LANES)
_UNROLL = 2
Add = Callable[[ir.Value, list[ir.Value], Sums], Sums]


@dataclass(frozen=True, slots=True)
class Sparse:
    """A panel's depth and vectors. ahead, lines: how far numbers are prefetched [bytes], and cache lines for each k."""

    depth: int
    vectors: int
    dtype: DType = DType.F32
    ahead: int = 0
    lines: int = 0

    @property
    def masks_bytes(self) -> int:
        """Bytes of a panel's masks."""
        return -(-self.depth * self.vectors * MASK_BYTES // LINE_BYTES) * LINE_BYTES


def panel_address(k: KernelBuilder, constant: ir.Value, number: ir.Value) -> ir.Value:
    """The address of a panel; number: group * panels of a group + panel."""
    return k.address(constant, k.load(k.address(constant, number, I64), I64, 8), I8)


def accumulate_sparse(k: KernelBuilder, sparse: Sparse, a: RowsOfA, panel: ir.Value) -> Sums:
    """The sums of a tile, rows * vectors values, row by row."""

    def add(number: ir.Value, columns: list[ir.Value], sums: Sums) -> Sums:
        place, total = k.address(a.place, scaled(k, number, a.step), storage_type(a.dtype)), list(sums)
        for i, offset in enumerate(a.offsets):
            at = k.address(place, k.dim(offset), storage_type(a.dtype))
            factor = k.splat(load_operand(k, at, a.dtype, DType.F32), LANES)
            for v, column in enumerate(columns):
                n = i * len(columns) + v
                total[n] = multiply_add(k, factor, column, total[n])
        return total

    return _walk(k, sparse, panel, [ir.Constant(_VECTOR, None)] * (len(a.offsets) * sparse.vectors), add)


def expand_panel(k: KernelBuilder, sparse: Sparse, panel: ir.Value, into: ir.Value) -> None:
    """Write a panel with its zeros, f32 [depth][vectors * lanes]."""

    def write(number: ir.Value, columns: list[ir.Value], sums: Sums) -> Sums:
        row = k.address(into, k.ir.mul(number, k.i64(sparse.vectors * LANES)), F32)
        for v, column in enumerate(columns):
            k.ir.store(column, k.address(row, v * LANES, F32), align=4)
        return sums

    _walk(k, sparse, panel, [], write)


def _walk(k: KernelBuilder, sparse: Sparse, panel: ir.Value, start: Sums, each: Add) -> Sums:
    """Every k of a panel in turn, with its vectors."""
    masks, numbers = panel, k.address(panel, sparse.masks_bytes, I8)
    whole = sparse.depth // _UNROLL * _UNROLL
    state = [numbers, *start]
    if whole:
        with k.loop(0, whole, _UNROLL, carried=state) as loop:
            loop.next = loop.carried
            for u in range(_UNROLL):
                loop.next = _step(k, sparse, masks, k.ir.add(loop.index, k.i64(u)), loop.next, each)
        state = loop.results
    for number in range(whole, sparse.depth):
        state = _step(k, sparse, masks, k.i64(number), state, each)
    return state[1:]


def _step(
    k: KernelBuilder, sparse: Sparse, masks: ir.Value, number: ir.Value, state: list[ir.Value], each: Add
) -> list[ir.Value]:
    keep_order(k)
    numbers, columns = state[0], []
    if sparse.ahead:
        request_row(k, k.address(numbers, sparse.ahead, I8), sparse.lines * LINE_BYTES)
    first: Dim | ir.Value = k.ir.mul(number, k.i64(sparse.vectors))
    for v in range(sparse.vectors):
        bits = k.load(k.address(masks, k.ir.add(first, k.i64(v)), I16), I16, MASK_BYTES)
        columns.append(_expanded(k, sparse.dtype, numbers, k.ir.bitcast(bits, _MASK)))
        count = k.call("llvm.ctpop.i64", I64, [k.ir.zext(bits, I64)])
        numbers = k.address(numbers, count, storage_type(sparse.dtype))
    return [numbers, *each(number, columns, state[1:])]


def _expanded(k: KernelBuilder, dtype: DType, numbers: ir.Value, mask: ir.Value) -> ir.Value:
    """The next numbers in the lanes of the mask, as f32."""
    if dtype is DType.F32:
        arguments = [k.load(numbers, _VECTOR, 4), ir.Constant(_VECTOR, None), mask]
        return k.call("llvm.x86.avx512.mask.expand.v16f32", _VECTOR, arguments)
    wide = k.ir.zext(k.load(numbers, _HALVES, 2), _WORDS)
    lanes = k.call("llvm.x86.avx512.mask.expand.v16i32", _WORDS, [wide, ir.Constant(_WORDS, None), mask])
    return k.ir.bitcast(k.ir.shl(lanes, fill(lanes, I32, 16)), _VECTOR)
