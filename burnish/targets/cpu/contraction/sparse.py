"""The sparse form: a constant B of f32 or bf16 without its zeros (register_tile/expand.py), for products of few rows.

rows     up to `few_rows` in a tile: weights are expanded in registers, and their zeros never come from memory. More
         (where only a run tells): each thread expands a panel into its scratch memory, which all row tiles read
answers  those of the tile form, bit for bit
offered  where memory gives the weights (kernels/mark_zeros.py), and chosen where that takes the most time
measured see benchmarks/README.md; `python benchmarks/sparse_weights.py`
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from burnish.dims import known
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Shape
from burnish.kernels.mark_zeros import SHARES
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction
from burnish.target import LEVELS, Target
from burnish.targets.cpu.contraction.cost import CostModel
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.tile_rows import rows_of
from burnish.targets.cpu.register_tile.expand import FORM, LANES, MASK_BYTES, Sparse
from burnish.targets.cpu.register_tile.prefetch import LINE_BYTES

_REGISTERS, _MOST_ROWS = 31, 8  # registers but one of A
_VECTORS, _VECTORS_FOR_MANY = (8, 6, 4, 3, 2, 1), (3, 2)
_AHEAD_BYTES = 4096  # without, Intel's cores read the numbers at half of memory's speed
# cycles: of a byte from memory on one core (26 GB/s at 3.7 GHz); on Zen 4 of a product, and to expand a vector, by the
# bytes of an element
_CYCLES_PER_BYTE, _PRODUCT, _EXPAND, _LATENCY, _PANEL = 0.14, 1.0, {4: 2.3, 2: 2.8}, 4.0, 60.0
_CLEARLY = 0.95  # of the time of dense weights, to be better


def is_for(target: Target) -> bool:
    """Has this target the instruction?"""
    return target.kind == "cpu" and LEVELS.index(target.level) >= LEVELS.index("x86-64-v4")


def few_rows(vectors: int) -> int:
    """The most rows of a tile that expands weights in registers."""
    return min(_MOST_ROWS, (_REGISTERS - vectors) // vectors)


def tile_sizes(options: ContractionOptions) -> tuple[int, ...]:
    """The tile sizes for a number of rows that is not known, largest first."""
    return (options.rows, *(s for s in (8, 4, 2, 1) if s < options.rows and s <= few_rows(options.vectors)))


def sparse_of(kernel: Contraction, options: ContractionOptions) -> Sparse:
    """How a panel lies."""
    row_bytes = _row_bytes(kernel, options.vectors)
    return Sparse(
        _depth(kernel),
        options.vectors,
        kernel.slots[1].dtype,
        options.prefetch * row_bytes,
        -(-row_bytes // LINE_BYTES),
    )


def _row_bytes(kernel: Contraction, vectors: int) -> int:
    """Of the numbers that are left of one k of a panel, usually."""
    b = kernel.slots[1]
    return vectors * LANES * b.dtype.size_bytes * (SHARES - b.zeros) // SHARES


def _depth(kernel: Contraction) -> int:
    return math.prod(known(a.extent) for a in kernel.reduce)


def scratch_bytes(kernel: Contraction, options: ContractionOptions) -> int:
    """An expanded panel, if there may be many rows."""
    return 0 if options.rows <= few_rows(options.vectors) else _depth(kernel) * options.width * DType.F32.size_bytes


def fits(kernel: Contraction, shape: Shape) -> bool:
    """May a product be written in this form?"""
    a, b = (slot.dtype for slot in kernel.slots[:2])
    is_floats = shape.accumulator is DType.F32 and (b is DType.F32 or (a is DType.F32 and b is DType.BF16))
    is_one_run = len(shape.reduce) == 1 and isinstance(shape.depth, int) and isinstance(shape.n.extent, int)
    return kernel.packed and kernel.slots[1].zeros > 0 and is_floats and is_one_run


def legal(kernel: Contraction, shape: Shape, options: ContractionOptions, target: Target) -> bool:
    """Can a kernel be written with these options?"""
    if not is_for(target) or not fits(kernel, shape) or options.fold or options.spread or options.block:
        return False
    extent = rows_of(shape, options.axis, False).tiled.extent
    is_few = options.rows <= few_rows(options.vectors)
    return (
        options.lanes == LANES and (is_few or not isinstance(extent, int)) and (options.rows + 1) * options.vectors < 32
    )


def with_sparse(model: CostModel, dense: list[Schedule], cycles: float) -> list[Schedule]:
    """The schedules, and those of this form at the place that they deserve. cycles: of the best dense one."""
    if not is_for(model.target) or not fits(model.kernel, model.shape):
        return dense
    found = sorted(_choices(model), key=lambda o: _cycles(model, o))
    if not found:
        return dense
    item = model.kernel.slots[1].dtype.size_bytes
    read = _CYCLES_PER_BYTE * item * model.groups * model.depth * model.columns
    busy = _PRODUCT / LANES * model.groups * model.depth * model.columns * model.pixels
    own = [o.schedule for o in found[:2]]
    if _cycles(model, found[0]) < _CLEARLY * max(cycles, read, busy):
        return [*own, *dense]
    return [*dense[:1], *own[:1], *dense[1:]]


def _choices(model: CostModel) -> Iterator[ContractionOptions]:
    extent = rows_of(model.shape, 0, False).tiled.extent
    most = -(-model.columns // LANES)
    for vectors in _VECTORS if isinstance(extent, int) else _VECTORS_FOR_MANY:
        rows = extent if isinstance(extent, int) else _REGISTERS // vectors - 1
        if vectors > most or (isinstance(extent, int) and not 0 < extent <= few_rows(vectors)):
            continue
        prefetch = _AHEAD_BYTES // max(1, _row_bytes(model.kernel, vectors))
        yield ContractionOptions(FORM, rows, vectors, LANES, 1, 0, False, 0, prefetch, 0, False)


def _cycles(model: CostModel, options: ContractionOptions) -> float:
    """Cycles on one of two cores: to expand and multiply, or to read from memory."""
    b, vectors = model.kernel.slots[1], options.vectors
    item, kept = b.dtype.size_bytes, 1 - b.zeros / SHARES
    panels = -(-model.columns // options.width) * model.groups
    tiled = model.expect(rows_of(model.shape, options.axis, False).tiled.extent)
    others = model.pixels // tiled
    step = tiled * _PRODUCT + _EXPAND[item] * -(-tiled // few_rows(vectors))
    each = max(step, _LATENCY / vectors if tiled == 1 else 0.0)
    busy = (model.depth * vectors * each * others + _PANEL) * (panels + panels % 2)
    read = model.groups * model.depth * model.columns * (kept * item + MASK_BYTES / LANES) * _CYCLES_PER_BYTE
    return max(busy, read) + 0.1 * busy
