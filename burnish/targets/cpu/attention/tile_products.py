"""Attention's two products by tiles (register_tile/matrix.py), of bf16: scores of 32 keys at once, powers times values.

    keys     [32 keys][32 of the depth][2 x 16 keys][16 words][16]     a word is two neighbours along the depth
    powers   [query][key], rounded to bf16 once
    values   [32 columns][32 keys][2 x 16 columns][16 words][16]       a word is two neighbouring keys, of one column

Both operands of both products lie in the first two cache levels. A tile of 16 to 32 queries is made of two row tiles
of 16, of which the second ends where the tile does; so some rows are computed twice, in rows of scratch of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from burnish.dtypes import DType
from burnish.targets.cpu.attention.frame import SPAN, AttentionFrame, Block, Head
from burnish.targets.cpu.attention.pack import transpose
from burnish.targets.cpu.builder import I8, I16, I32
from burnish.targets.cpu.expressions import memory, storage
from burnish.targets.cpu.register_tile.matrix import ROW_BYTES, ROWS, TILE_BYTES, Matrix, Multiplier, Rows, multiplier
from burnish.targets.cpu.register_tile.rows import RowCase

_STEP_BYTES = 2 * TILE_BYTES  # of a packed operand: two column tiles
_WORDS, _HALVES = ir.VectorType(I32, ROWS), ir.VectorType(I16, ROWS)


def tile_multiplier(f: AttentionFrame) -> Multiplier:
    """Both products have steps of 32 and two column tiles."""
    rows = f.rows_each // ROWS
    return multiplier(f.k, Matrix(DType.BF16, DType.BF16, rows, 2, f.k.i64(ROWS), ROW_BYTES))


def pack_for_tiles(f: AttentionFrame, head: Head, block: Block) -> None:
    """One block of keys and values of a head."""
    k = f.k
    last = k.ir.sub(k.dim(f.keys), k.i64(1))
    with k.loop(0, f.count_of(block), ROWS) as loop:
        _pack_keys(f, head, k.ir.add(block.first, loop.index), last, _column_tile(f, f.panels, loop.index, f.depth))
    with k.loop(0, f.count_of(block), 2) as loop:
        _pack_values(f, head, block, loop.index, last)


def score_tiles(f: AttentionFrame, code: Multiplier, case: RowCase, head: Head, block: Block) -> None:
    """Plain products of queries and keys, into scratch; softmax scales and masks them."""
    k, step = f.k, f.q_slot.strides[2]
    stride = k.dim(step * f.q_slot.dtype.size_bytes)
    starts = [case.start, k.ir.add(case.start, k.i64(case.size - ROWS))][: f.rows_each // ROWS]
    queries = [f.at(head.q, start, step, f.q_slot.dtype) for start in starts]
    with k.loop(0, f.count_of(block), SPAN) as loop:
        sums = Rows(k.address(f.scores, loop.index, f.element), k.i64(f.block * f.dtype.size_bytes))
        panel = k.address(f.panels, k.ir.mul(loop.index, k.i64(f.depth // SPAN * _STEP_BYTES // SPAN)), I8)
        code.clear(sums)
        for s in range(f.depth // SPAN):
            rows = [Rows(k.address(q, s * ROW_BYTES, I8), stride) for q in queries]
            code.step(rows, k.address(panel, s * _STEP_BYTES, I8), sums)
        code.keep(sums)


def power_tiles(f: AttentionFrame, code: Multiplier, number: ir.Value, block: Block) -> None:
    """sums += powers @ values, for one tile and one block."""
    k, stride = f.k, f.k.i64(f.block * DType.BF16.size_bytes)
    first = k.ir.mul(number, k.i64(f.rows_each * f.row))
    rows = [Rows(k.address(f.powers, r * ROWS * f.block, I16), stride) for r in range(f.rows_each // ROWS)]
    for at in range(0, f.row, SPAN):
        place = k.address(f.sums, k.ir.add(first, k.i64(at)), f.element)
        sums = Rows(place, k.i64(f.row * f.dtype.size_bytes))
        panel = k.address(f.values, at // SPAN * (f.block // SPAN) * _STEP_BYTES, I8)
        if f.is_single:
            code.clear(sums)
        else:
            code.resume(sums)
        with k.loop(0, f.count_of(block), SPAN) as loop:
            b = k.address(panel, k.ir.mul(loop.index, k.i64(_STEP_BYTES // SPAN)), I8)
            code.step([Rows(k.address(r.place, loop.index, I16), r.stride) for r in rows], b, sums)
        code.keep(sums)


def put_power(f: AttentionFrame, at: ir.Value, value: ir.Value) -> None:
    """Keep an exponential as the next product reads it."""
    raw = storage.to_storage(f.k, DType.BF16, value)
    f.k.ir.store(raw, f.k.address(f.powers, at, I16), align=DType.BF16.size_bytes)


def _column_tile(f: AttentionFrame, base: ir.Value, index: ir.Value, depth: int) -> ir.Value:
    """The first tile of the column tile that begins at column `index`; those of further steps lie _STEP_BYTES apart."""
    k = f.k
    panel, inside = k.ir.udiv(index, k.i64(SPAN)), k.ir.urem(index, k.i64(SPAN))
    offset = k.ir.mul(panel, k.i64(depth // SPAN * _STEP_BYTES))
    return k.address(base, k.ir.add(offset, k.ir.mul(inside, k.i64(TILE_BYTES // ROWS))), I8)


def _pack_keys(f: AttentionFrame, head: Head, first: ir.Value, last: ir.Value, tile: ir.Value) -> None:
    """16 keys: squares of 16 x 16 words are transposed. Beyond the last key, it is taken again."""
    k, step = f.k, f.k_slot.strides[2]
    rows = [f.at(head.k, k.minimum(k.ir.add(first, k.i64(i)), last), step, f.k_slot.dtype) for i in range(ROWS)]
    with k.loop(0, f.depth // SPAN) as loop:
        at = k.ir.mul(loop.index, k.i64(ROW_BYTES))
        words = [k.load(k.address(r, at, I8), _WORDS, DType.BF16.size_bytes) for r in rows]
        into = k.address(tile, k.ir.mul(loop.index, k.i64(_STEP_BYTES)), I8)
        for n, vector in enumerate(transpose(k, words)):
            k.ir.store(vector, k.address(into, n * ROW_BYTES, I8), align=ROW_BYTES)


def _pack_values(f: AttentionFrame, head: Head, block: Block, index: ir.Value, last: ir.Value) -> None:
    """Two neighbouring keys, all columns; zeros where there is no key or no column."""
    k, step = f.k, f.v_slot.strides[2]
    keys = [k.ir.add(k.ir.add(block.first, index), k.i64(n)) for n in (0, 1)]
    rows = [f.at(head.v, k.minimum(key, last), step, f.v_slot.dtype) for key in keys]
    exist = [k.ir.icmp_signed("<=", key, last) for key in keys]
    word = k.ir.mul(k.ir.udiv(k.ir.urem(index, k.i64(SPAN)), k.i64(2)), k.i64(ROW_BYTES))
    into = k.ir.add(k.ir.mul(k.ir.udiv(index, k.i64(SPAN)), k.i64(_STEP_BYTES)), word)
    panel_bytes = f.block // SPAN * _STEP_BYTES
    for at in range(0, f.row, ROWS):
        halves = [_columns(f, row, at, there) for row, there in zip(rows, exist)]
        order = [n // 2 + ROWS * (n % 2) for n in range(2 * ROWS)]
        mixed = k.ir.shuffle_vector(*halves, ir.Constant(ir.VectorType(I32, 2 * ROWS), order))
        start = at // SPAN * panel_bytes + at % SPAN // ROWS * TILE_BYTES
        k.ir.store(mixed, k.address(f.values, k.ir.add(into, k.i64(start)), I8), align=ROW_BYTES)


def _columns(f: AttentionFrame, row: ir.Value, at: int, exists: ir.Value) -> ir.Value:
    """16 columns of a key's values, as bits."""
    k, zero = f.k, ir.Constant(_HALVES, None)
    masks: Sequence[ir.Value | None] = f.value_masks(at)
    if not masks or at >= f.value_size:
        return zero
    place = k.address(row, at, I16)
    found = k.load(place, _HALVES, 2) if masks[0] is None else memory.masked_load(k, place, _HALVES, masks[0], 2)
    return k.ir.select(exists, found, zero)
