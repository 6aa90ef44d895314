"""Transposes a block of keys into panels: [key][d] in memory becomes [panel][d][width] in scratch.

A square of lanes x lanes elements is transposed in registers, in log2(lanes) rounds. In each round, rows at a distance
of s exchange blocks of s lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cpu.builder import I1, I32, KernelBuilder
from burnish.targets.cpu.expressions.storage import register_type, storage_type
from burnish.targets.cpu.register_tile.load import lanes_below, load_operand, scaled


@dataclass(frozen=True)
class KeyBlock:
    """Keys `first` <= j < `first` + `count` of one head. `source`: key 0; `last`: the last key that exists."""

    source: ir.Value
    dtype: DType
    key_step: Dim
    depth_step: Dim
    depth: int
    first: ir.Value
    count: ir.Value
    last: ir.Value


def pack_keys(k: KernelBuilder, keys: KeyBlock, into: ir.Value, width: int, lanes: int, wanted: DType) -> None:
    """Write the panels; columns beyond the last key hold copies of it, or zeros."""
    with k.loop(0, keys.count, lanes) as loop:
        panel = k.ir.udiv(loop.index, k.i64(width))
        start = k.ir.add(k.ir.mul(panel, k.i64(width * keys.depth)), k.ir.urem(loop.index, k.i64(width)))
        column = k.address(into, start, register_type(wanted))
        first = k.ir.add(keys.first, loop.index)
        if keys.depth_step == 1:
            _squares(k, keys, first, column, width, lanes, wanted)
        else:
            _columns(k, keys, first, column, width, lanes, wanted)


def _squares(
    k: KernelBuilder, keys: KeyBlock, first: ir.Value, column: ir.Value, width: int, lanes: int, wanted: DType
) -> None:
    element = storage_type(keys.dtype)
    rows = []
    for i in range(lanes):
        key = k.minimum(k.ir.add(first, k.i64(i)), keys.last)
        rows.append(k.address(keys.source, scaled(k, key, keys.key_step), element))
    whole, rest = keys.depth // lanes * lanes, keys.depth % lanes

    def square(at: ir.Value, exist: int) -> None:
        mask = None if exist == lanes else ir.Constant(ir.VectorType(I1, lanes), [int(i < exist) for i in range(lanes)])
        loaded = [load_operand(k, k.address(r, at, element), keys.dtype, wanted, lanes, 1, mask) for r in rows]
        for d, vector in enumerate(transpose(k, loaded)[:exist]):
            place = k.ir.mul(k.ir.add(at, k.i64(d)), k.i64(width))
            k.ir.store(vector, k.address(column, place, register_type(wanted)), align=wanted.size_bytes)

    if whole:
        with k.loop(0, whole, lanes) as loop:
            square(loop.index, lanes)
    if rest:
        square(k.i64(whole), rest)


def _columns(
    k: KernelBuilder, keys: KeyBlock, first: ir.Value, column: ir.Value, width: int, lanes: int, wanted: DType
) -> None:
    mask = lanes_below(k, first, k.ir.add(keys.last, k.i64(1)), lanes)
    element = storage_type(keys.dtype)
    start = k.address(keys.source, scaled(k, first, keys.key_step), element)
    with k.loop(0, keys.depth) as loop:
        at = k.address(start, scaled(k, loop.index, keys.depth_step), element)
        vector = load_operand(k, at, keys.dtype, wanted, lanes, keys.key_step, mask)
        place = k.address(column, k.ir.mul(loop.index, k.i64(width)), register_type(wanted))
        k.ir.store(vector, place, align=wanted.size_bytes)


def transpose(k: KernelBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """Transpose a square: as many vectors as each has lanes."""
    lanes, step = len(rows), 1
    current = list(rows)
    while step < lanes:
        low = [n if not n & step else lanes + n - step for n in range(lanes)]
        high = [n + step if not n & step else lanes + n for n in range(lanes)]
        following = list(current)
        for i in range(lanes):
            if not i & step:
                a, b = current[i], current[i | step]
                following[i] = k.ir.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, lanes), low))
                following[i | step] = k.ir.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, lanes), high))
        current, step = following, step * 2
    return current
