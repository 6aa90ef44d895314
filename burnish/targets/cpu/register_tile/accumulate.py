"""The register tile: rows x vectors accumulators that stay in registers over the whole reduction.

    for every reduce index k:   B[0..vectors) = load;   for each row: acc[row, v] += splat(A[row, k]) * B[v]

One load serves several multiply-adds, so a core's multiply-add units are the limit: 14 rows x 2 vectors need 16 loads
for 28 multiply-adds. The innermost reduce axis is unrolled; the others are loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cpu.builder import KernelBuilder, vector_type
from burnish.targets.cpu.expressions.storage import register_type, storage_type
from burnish.targets.cpu.register_tile.load import load_operand, scaled
from burnish.targets.cpu.register_tile.prefetch import Ahead, request_next, request_row


@dataclass(frozen=True, slots=True)
class Level:
    """One loop of the reduction (extent: a dim, or a value of the kernel), and the steps of A and B in it."""

    extent: Dim | ir.Value
    a_step: Dim
    b_step: Dim


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile. `offsets`: from the first row's A to each row's A. Lanes of one B vector lie `lane_step` apart.

    prefetch: how many elements ahead of its loads B is prefetched; 0: no prefetch
    ahead:    the part of the next panel that this tile prefetches
    """

    offsets: tuple[Dim, ...]
    vectors: int
    lanes: int
    unroll: int
    lane_step: Dim
    levels: tuple[Level, ...]
    a_dtype: DType
    b_dtype: DType
    accumulator: DType
    prefetch: Dim = 0
    ahead: Ahead | None = None

    @property
    def rows(self) -> int:
        return len(self.offsets)


Sums = list[ir.Value]


def accumulate(
    k: KernelBuilder, tile: Tile, a: ir.Value, b: ir.Value, masks: Sequence[ir.Value | None], start: Sums | None = None
) -> Sums:
    """The sums of one tile, rows * vectors values, row by row, from `start` or zero.

    a, b:  addresses of A at the tile's first row and of B at its first column, reduce index 0
    masks: per vector, which of its lanes exist in B (None: all)
    """
    kind = vector_type(register_type(tile.accumulator), tile.lanes)
    zero = ir.Constant(kind, None) if tile.lanes > 1 else ir.Constant(kind, 0)
    return _nest(k, tile, tile.levels, a, b, masks, start or [zero] * (tile.rows * tile.vectors))


def _nest(
    k: KernelBuilder, tile: Tile, levels: Sequence[Level], a: ir.Value, b: ir.Value,
    masks: Sequence[ir.Value | None], sums: Sums,
) -> Sums:  # fmt: skip
    if not levels:
        return _step(k, tile, a, b, masks, sums)
    level, inner = levels[0], levels[1:]
    unroll = 1 if inner else tile.unroll
    whole, rest = _split(k, level.extent, unroll)
    if whole != 0:
        with k.loop(0, whole, unroll, carried=sums) as loop:
            a_at, b_at = advance(k, tile, level, a, b, loop.index)
            loop.next = loop.carried
            if tile.ahead is not None and not inner:
                request_next(k, tile.ahead, b_at)
            for u in range(unroll):
                a_u, b_u = advance(k, tile, level, a_at, b_at, k.i64(u))
                loop.next = _nest(k, tile, inner, a_u, b_u, masks, loop.next)
        sums = loop.results
    if isinstance(rest, int):
        for u in range(rest):
            a_u, b_u = advance(k, tile, level, a, b, k.ir.add(k.index(whole), k.i64(u)))
            sums = _nest(k, tile, inner, a_u, b_u, masks, sums)
        return sums
    with k.loop(whole, level.extent, carried=sums) as loop:
        a_at, b_at = advance(k, tile, level, a, b, loop.index)
        loop.next = _nest(k, tile, inner, a_at, b_at, masks, loop.carried)
    return loop.results


def _split(k: KernelBuilder, extent: Dim | ir.Value, unroll: int) -> tuple[Dim | ir.Value, int | None]:
    """The steps that the unrolled loop covers, and the static rest after it (None: not known before the run)."""
    if isinstance(extent, int):
        return extent // unroll * unroll, extent % unroll
    if unroll == 1:
        return extent, 0
    return k.ir.and_(k.index(extent), k.i64(-unroll)), None


def _step(k: KernelBuilder, tile: Tile, a: ir.Value, b: ir.Value, masks: Sequence[ir.Value | None], sums: Sums) -> Sums:
    keep_order(k)
    if tile.prefetch != 0:
        row = k.address(b, k.dim(tile.prefetch), storage_type(tile.b_dtype))
        request_row(k, row, tile.vectors * tile.lanes * tile.b_dtype.size_bytes)
    columns = []
    for v in range(tile.vectors):
        at = k.address(b, k.dim(tile.lane_step * (v * tile.lanes)), storage_type(tile.b_dtype))
        columns.append(load_operand(k, at, tile.b_dtype, tile.accumulator, tile.lanes, tile.lane_step, masks[v]))
    total = list(sums)
    for i, offset in enumerate(tile.offsets):
        at = k.address(a, k.dim(offset), storage_type(tile.a_dtype))
        factor = k.splat(load_operand(k, at, tile.a_dtype, tile.accumulator), tile.lanes)
        for v, column in enumerate(columns):
            total[i * tile.vectors + v] = multiply_add(k, factor, column, total[i * tile.vectors + v])
    return total


def advance(
    k: KernelBuilder, tile: Tile, level: Level, a: ir.Value, b: ir.Value, count: ir.Value
) -> tuple[ir.Value, ir.Value]:
    """The addresses of A and B after `count` steps of a level."""
    a_offset = scaled(k, count, level.a_step)
    b_offset = scaled(k, count, level.b_step)
    return k.address(a, a_offset, storage_type(tile.a_dtype)), k.address(b, b_offset, storage_type(tile.b_dtype))


def multiply_add(k: KernelBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """a * b + c of floats, or of (wrapping) integers."""
    element = a.type.element if isinstance(a.type, ir.VectorType) else a.type
    if isinstance(element, ir.IntType):
        return k.ir.add(k.ir.mul(a, b), c)
    return k.multiply_add(a, b, c)


def keep_order(k: KernelBuilder) -> None:
    """Keep loads on their side of this point. LLVM would group them, run out of registers and spill sums."""
    k.ir.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)
