"""An analytic estimate of what a register tiling costs, to rank schedules without running them.

Cycles of one step over k are the largest of: multiply-adds (two units), loads (two ports), the multiply-add's latency
over the tile's accumulators, and the panel's bytes from the second cache level. The model is a ranking, not a promise:
its numbers are those of current x86 servers (48 KB and 1 to 2 MB of cache, two 512-bit units).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from burnish.dims import Dim, evaluate, product, symbols
from burnish.lower.task import Contraction
from burnish.target import Target
from burnish.targets.cpu.contraction_rows import dynamic_sizes
from burnish.targets.cpu.contraction_shape import Shape, dot_lanes, rows_of

GUESS = 64  # what a symbolic extent is taken for
_LATENCY, _LOADS_PER_CYCLE = 4.0, 1.65
_LEVEL1_BYTES, _LEVEL2_BYTES = 32 * 1024, 1024 * 1024
_LEVEL2_BYTES_PER_CYCLE = 16.0
_WAYS = 12


@dataclass(frozen=True, slots=True)
class Tiling:
    """`rows` steps along the pixel run `axis` (counted from the innermost; fold: with the run inside it) x vectors."""

    rows: int
    vectors: int
    lanes: int
    axis: int
    form: str = "tile"
    fold: bool = False


def guess(dim: Dim) -> int:
    """A number for a dim that may be symbolic."""
    values: Mapping[str, int] = dict.fromkeys(symbols(dim), GUESS)
    return max(1, evaluate(dim, values))


def registers(target: Target) -> int:
    return 32 if target.level == "x86-64-v4" else 16


def rows_at_most(target: Target, vectors: int) -> int:
    """The most rows whose accumulators, with the vectors of B and one of A, stay in registers."""
    if vectors == 1 and registers(target) == 32:
        return 28  # A comes from memory as part of the multiply-add
    return max(1, (registers(target) - vectors - 1) // vectors)


def row_sizes(extent: Dim, rows: int) -> list[tuple[int, int]]:
    """(tile size, how many of them) along a run."""
    if isinstance(extent, int):
        tiles = max(1, -(-extent // rows))
        small, bigs = divmod(extent, tiles)
        return [(small + 1, bigs), (small, tiles - bigs)] if bigs else [(small, tiles)]
    total = guess(extent)
    size = next(s for s in dynamic_sizes(rows) if s <= total)
    return [(size, -(-total // size))]


def cycles(kernel: Contraction, shape: Shape, tiling: Tiling, target: Target) -> float:
    """Cycles of the whole kernel on one core, data in the second cache level."""
    rows = rows_of(shape, tiling.axis, tiling.fold)
    columns, depth = guess(shape.n.extent), guess(shape.depth)
    whole, tail = divmod(columns, tiling.vectors * tiling.lanes)
    sizes = [(steps * rows.per_step, count) for steps, count in row_sizes(rows.tiled.extent, tiling.rows)]
    panels = [(tiling.vectors, whole), (-(-tail // tiling.lanes), 1 if tail else 0)]
    total = 0.0
    is_single = not rows.outer and len(sizes) == sizes[0][1] == 1
    for size, count in sizes:
        for vectors, repeats in panels:
            if not vectors or not size:
                continue
            if tiling.form == "dot":
                one = _dot_cycles(shape, target, size, min(tiling.lanes, columns), is_single)
            else:
                one = depth * _step(kernel, shape, tiling, size, vectors, is_single)
            total += count * repeats * (one + 30 + size * vectors * 3)
    return total * guess(shape.group_count) * guess(product(r.extent for r in rows.outer))


def imbalance(kernel: Contraction, shape: Shape, tiling: Tiling) -> float:
    """How much longer the busiest thread works than the average one, for two and for four threads."""
    rows = rows_of(shape, tiling.axis, tiling.fold)
    tiles = sum(count for _, count in row_sizes(rows.tiled.extent, tiling.rows))
    tiles *= guess(product(r.extent for r in rows.outer))
    units = tiles * guess(shape.group_count) * -(-guess(shape.n.extent) // (tiling.vectors * tiling.lanes))
    return (-(-units // 2) * 2 + -(-units // 4) * 4) / (2 * units)


def _dot_cycles(shape: Shape, target: Target, rows: int, columns: int, is_single: bool) -> float:
    """Cycles of one dot tile: its vectors of k, then folding their lanes. is_single: no other tile uses its panel."""
    lanes, inner, depth = dot_lanes(shape, target), guess(shape.reduce[-1].extent), guess(shape.depth)
    busy = max(rows * columns / 2, (rows + columns) / _LOADS_PER_CYCLE, _LATENCY if rows * columns < 8 else 0.0)
    step_bytes = (rows + columns) * lanes * shape.accumulator.size_bytes
    panel = guess(shape.n.extent) if is_single else columns
    streams = depth * (rows + panel) * shape.accumulator.size_bytes > _LEVEL1_BYTES
    transfer = step_bytes / _LEVEL2_BYTES_PER_CYCLE if streams else 0.0
    vectors = -(-inner // lanes) * (depth // inner)
    return 1.15 * (vectors * _overlapped(busy, transfer) + rows * columns * 6)


def _overlapped(busy: float, transfer: float) -> float:
    return max(busy, transfer) + 0.15 * min(busy, transfer)


def _step(kernel: Contraction, shape: Shape, tiling: Tiling, rows: int, vectors: int, is_single: bool) -> float:
    """Cycles of one k on one tile."""
    item = shape.accumulator.size_bytes
    loads = (rows + vectors) / _LOADS_PER_CYCLE
    if not kernel.packed and shape.n_stride != 1:
        loads += vectors * tiling.lanes
    loads *= _conflicts(kernel, shape, tiling, rows)
    panel_bytes = guess(shape.depth) * (guess(shape.n.extent) if is_single else tiling.vectors * tiling.lanes) * item
    transfer = vectors * tiling.lanes * item / _LEVEL2_BYTES_PER_CYCLE if panel_bytes > _LEVEL1_BYTES else 0.0
    busy = max(rows * vectors / 2, loads, _LATENCY if rows * vectors < 2 * _LATENCY else 0.0)
    return _overlapped(busy, transfer)


def _conflicts(kernel: Contraction, shape: Shape, tiling: Tiling, rows: int) -> float:
    """How much slower loads get when the tile's rows fall into few sets of the first cache level."""
    over = rows_of(shape, tiling.axis, tiling.fold)
    lines = guess((over.folded or over.tiled).a_stride) * kernel.slots[0].dtype.size_bytes / 64
    if lines < 1 or lines != int(lines):
        return 1.0
    sets = 64 // math.gcd(int(lines), 64)
    return 1.0 if rows / sets <= _WAYS + 2 else 1.8


def block_of(kernel: Contraction, shape: Shape, tiling: Tiling) -> int:
    """How many row tiles share a panel before the next panel comes: 0 for all of them, 1 for none.

    If B stays in the second cache level and A is larger, one tile at a time: A is then read once. Else all of them:
    each thread reads its own panels once, and A's rows (a third of the traffic) from wherever they lie, as long as that
    is a cache; beyond it, as many as fit.
    """
    item = kernel.slots[0].dtype.size_bytes
    depth, columns = guess(shape.depth), guess(shape.n.extent)
    rows = rows_of(shape, tiling.axis, tiling.fold)
    pixels = guess(product(r.extent for r in shape.pixels))
    a_bytes = min(pixels * depth, _size(kernel)) * item
    b_bytes = depth * columns * shape.accumulator.size_bytes
    if b_bytes <= _LEVEL2_BYTES // 2 and a_bytes > b_bytes:
        return 1
    if a_bytes <= 4 * _LEVEL2_BYTES:
        return 0
    tile_bytes = max(1, tiling.rows * rows.per_step * a_bytes // pixels)
    return max(1, _LEVEL2_BYTES // tile_bytes)


def _size(kernel: Contraction) -> int:
    """Elements of A, which for a convolution are fewer than pixels times depth."""
    return guess(product(kernel.slots[0].shape))


def prefetch_of(kernel: Contraction, shape: Shape, tiling: Tiling) -> int:
    """How many k ahead B is asked for: 3 KB, where its rows are whole cache lines and a panel outgrows level 1."""
    row_bytes = tiling.vectors * tiling.lanes * shape.accumulator.size_bytes
    if tiling.form == "dot" or row_bytes % 64 or guess(shape.depth) * row_bytes <= _LEVEL1_BYTES * 3 // 4:
        return 0
    return max(1, 3072 // row_bytes) if kernel.packed or shape.n_stride == 1 else 0
