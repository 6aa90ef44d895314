"""Matrix products and convolutions (implicit GEMM) with a fused epilogue, cpu.

    acc[p, n] = sum_r A[p, r] * B[r, n]      for every pixel p and column n, then the kernel's stores

layout   A anywhere its strides say (padding lies in memory); constant B packed [group][N/NR][K][NR], NR = lanes*vectors
forms    tile: rows x vectors accumulators, A broadcast, B by columns;   dot: vectors over k, for few columns or B^T
         pairs: as tile, A and B bf16, two k side by side;               narrow: as tile, B kept in f16 or bf16
         tiles: AMX's products of 16 x 16 sums, or their emulation; see unit.py
         parts: the same of f32 numbers, as three bf16 parts each; see write_parts.py
         copied: as tile, a B whose columns lie apart goes through scratch memory, a panel at a time
         quads: as tile, bytes (or B in 16 bits), four k side by side; here and in tiles a computed B is copied, too
         bytes: the same without VNNI, in words that never saturate; see register_tile/byte_words.py
         codes: B in 2, 4 or 8 bits with a scale for each block; see few_bits.py
         sparse: as tile, B kept without its zeros; see sparse.py
dtypes   f32, f64; f16, bf16 -> f32, also f32 times f16 or bf16; u8, i8 -> i32; wider integers in their own type
work     2*M*N*K flop;  (M*K + K*N + M*N) * itemsize bytes at best
limits   any extents >= 0, static or symbolic, any strides
measured see benchmarks/README.md; `python benchmarks/cpu_kernels.py`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from burnish.dims import Dim, symbols
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Shape, analyse
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction
from burnish.target import Target
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.contraction import cost, few_bits, sparse
from burnish.targets.cpu.contraction.copy_panel import copies_panel, copy_bytes_of, has_open_words
from burnish.targets.cpu.contraction.cost import CostModel, Tiling
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.pack import pack
from burnish.targets.cpu.contraction.pack_bytes import can_multiply_bytes
from burnish.targets.cpu.contraction.tile_rows import flat_rows, register_lanes, rows_of, sums_in_memory
from burnish.targets.cpu.contraction.unit import (
    COPIED_AT_MOST,
    can_multiply_parts,
    can_multiply_tiles,
    fits_parts,
    fits_tiles,
    rows_along,
    scheduled_unit,
    step_of,
)
from burnish.targets.cpu.contraction.write import STORED_IN_LOOPS, TileWriter
from burnish.targets.cpu.contraction.write_codes import CodesWriter
from burnish.targets.cpu.contraction.write_parts import PartsWriter
from burnish.targets.cpu.contraction.write_sparse import SparseWriter
from burnish.targets.cpu.contraction.write_tiles import UnitWriter
from burnish.targets.cpu.cpu_template import CpuTemplate
from burnish.targets.cpu.register_tile import byte_words, expand
from burnish.targets.cpu.register_tile.matrix import ROWS
from burnish.targets.cpu.register_tile.quads import QUAD, QUAD_LANES

SERIAL_CYCLES = 8_000  # below about 3 us, a second thread costs more time than it saves
_CANDIDATES = 12
_FAR_BEHIND = 3.0  # times the cycles of the best
_WRITERS = {"tiles": UnitWriter, "parts": PartsWriter, few_bits.FORM: CodesWriter, expand.FORM: SparseWriter}
_SHALLOW = 256  # a depth in bytes: four steps
_FOLD_AT_MOST = 14  # pixels of an innermost run that is folded into the tile


def schedules(kernel: Contraction, target: Target, sizes: Mapping[str, int] | None = None) -> list[Schedule]:
    """Legal schedules, the one expected to be fastest first. sizes: the usual value of each symbol."""
    shape = analyse(kernel)
    model = CostModel(kernel, shape, target, sizes or {})
    if kernel.blocks is not None:
        return few_bits.schedules(model, max(1, min(2, len(shape.pixels))))[:_CANDIDATES]
    ranked = []
    for i, tiling in enumerate(_tilings(model)):
        cycles = model.cycles(tiling)
        shared = cycles if cycles < SERIAL_CYCLES else cycles * model.imbalance(tiling)
        ranked.append((shared, i, cycles, tiling))
    is_known = sizes is not None or not _symbols(shape)
    found = [
        (shared, _schedule(model, tiling, is_known and cycles < SERIAL_CYCLES))
        for shared, _, cycles, tiling in sorted(ranked, key=lambda r: r[:2])
    ]
    return sparse.with_sparse(model, _chosen(found), found[0][0])


def _chosen(ranked: Sequence[tuple[float, Schedule]]) -> list[Schedule]:
    """The best schedules, and of each form at least one: a model that is wrong is wrong about a whole form.

    The best of forms that are not far behind come first, so that tuning measures them even if it has few candidates.
    """
    leaders = {schedule["form"]: (cycles, schedule) for cycles, schedule in reversed(ranked)}
    near = [s for cycles, s in sorted(leaders.values(), key=lambda x: x[0]) if cycles <= _FAR_BEHIND * ranked[0][0]]
    found = list(dict.fromkeys([ranked[0][1], *near, *(schedule for _, schedule in ranked)]))
    far = [s for _, s in leaders.values() if s not in found[: _CANDIDATES - len(leaders)]]
    return [*[s for s in found if s not in far][: _CANDIDATES - len(far)], *far]


def legal(kernel: Contraction, schedule: Schedule, target: Target) -> bool:
    """Can this kernel be written with this schedule?"""
    if schedule.template != ContractionOptions.template:
        return False
    options, shape = ContractionOptions.read(schedule), analyse(kernel)
    if min(options.rows, options.vectors, options.lanes, options.unroll) < 1:
        return False
    if min(options.block, options.prefetch, options.axis) < 0 or options.axis >= max(1, len(shape.pixels)):
        return False
    if options.fold and not _may_fold(shape, options):
        return False
    if (options.form == few_bits.FORM) != (kernel.blocks is not None):
        return False
    if kernel.blocks is not None:
        return few_bits.legal(options, register_lanes(shape, target))
    if options.form == expand.FORM:
        return sparse.legal(kernel, shape, options, target)
    is_dot, spread = options.form == "dot", options.spread
    if spread and (spread & (spread - 1) or spread < 0 or not kernel.packed or is_dot):
        return False
    if options.form == "tiles":
        return can_multiply_tiles(kernel, shape) and fits_tiles(kernel, shape, options)
    if options.form == "parts":
        return can_multiply_parts(kernel, shape) and fits_parts(kernel, shape, options)
    if options.form not in ("dot", *_forms(kernel, shape)):
        return False
    if is_dot and (not can_dot(kernel, shape) or options.vectors != 1):
        return False
    if options.form in STORED_IN_LOOPS and options.lanes not in QUAD_LANES:
        return False
    return options.lanes <= register_lanes(shape, target)


def scratch_bytes(kernel: Contraction, schedule: Schedule) -> int:
    """Scratch memory of one thread."""
    options, shape = ContractionOptions.read(schedule), analyse(kernel)
    if options.form == few_bits.FORM:
        return few_bits.scratch_bytes(kernel, options)
    if options.form == expand.FORM:
        return sparse.scratch_bytes(kernel, options)
    panel = copy_bytes_of(kernel, shape, options) if copies_panel(kernel, options.form) else 0
    if options.form in cost.UNIT_FORMS:
        return scheduled_unit(kernel, shape, options).scratch_bytes + panel
    return panel + (sums_in_memory(shape, options) if options.form in STORED_IN_LOOPS else 0)


def emit(context: KernelContext, kernel: Contraction, schedule: Schedule, name: str) -> ir.Function:
    """Write the kernel."""
    options = ContractionOptions.read(schedule)
    writer = _WRITERS.get(options.form, TileWriter)
    return writer(context, kernel, options, name).write()


def _tilings(model: CostModel) -> list[Tiling]:
    shape, target, found = model.shape, model.target, list[Tiling]()
    for axis, fold in _row_axes(shape):
        rows = rows_of(shape, axis, fold)
        extent = rows.tiled.extent
        for vectors, lanes in _widths(shape, target):
            for form in _forms(model.kernel, shape, "vnni" in target.extensions):
                most = model.rows_at_most(form, vectors) // rows.per_step
                if most and (vectors <= 4 or model.expect(extent) <= most):
                    choices = _row_choices(extent, model.expect(extent), most)
                    wide = max(lanes, QUAD_LANES[0]) if form in STORED_IN_LOOPS else lanes
                    found += [Tiling(r, vectors, wide, axis, form, fold) for r in choices]
        found += _tiles(model, axis, fold) if target.has_tiles else []
        for columns in (1, 2, 4) if can_dot(model.kernel, shape) and not fold else ():
            if not isinstance(shape.n.extent, int) or columns < 2 * shape.n.extent:
                choices = _row_choices(extent, model.expect(extent), min(8, cost.rows_at_most(target, columns)))
                found += [Tiling(r, 1, columns, axis, "dot") for r in choices]
    return found + (_tiles(model, 0, True) if target.has_tiles and flat_rows(shape) else [])


def _tiles(model: CostModel, axis: int, fold: bool) -> list[Tiling]:
    """Tilings in the tiles form: 2 x 2 tiles, or a row or a column of tiles where there is only that.

    Of bytes and a shallow depth also 1 x 4 tiles: the rows' stores take more time than products, and are half as many.
    """
    shape = model.shape
    has_parts = can_multiply_parts(model.kernel, shape)
    if not has_parts and not can_multiply_tiles(model.kernel, shape):
        return []
    form, most = ("parts", 3) if has_parts else ("tiles", 4)
    wide, is_low = -(-model.columns // ROWS), model.pixels <= ROWS
    shapes = [(1, min(wide, most))] if is_low else [(2, min(wide, 2)), (most, 1)]
    if model.kernel.slots[0].dtype.size_bytes == 1 and model.depth <= _SHALLOW and not (is_low or wide % 4):
        shapes.append((1, 4))
    if fold and axis == 1:
        return [Tiling(r, c, ROWS, axis, form, True) for r, c in shapes]
    rows = rows_of(shape, axis, fold)
    along = [(r, c, rows_along(rows.tiled, r, not rows.outer)) for r, c in shapes]
    return [Tiling(pixels, c, ROWS, axis, form, fold) for r, c, pixels in along if pixels > ROWS * (r - 1)]


def _may_fold(shape: Shape, options: ContractionOptions) -> bool:
    if options.axis == 0:
        return options.form in cost.UNIT_FORMS and flat_rows(shape) is not None
    return options.axis == 1 and (1, True) in _row_axes(shape)


def _row_axes(shape: Shape) -> list[tuple[int, bool]]:
    """The runs that rows may follow, and whether the run inside each is folded in."""
    found = [(axis, False) for axis in range(max(1, min(2, len(shape.pixels))))]
    if len(shape.pixels) > 1 and isinstance(shape.pixels[-1].extent, int) and shape.pixels[-1].extent <= _FOLD_AT_MOST:
        found.append((1, True))
    return found


def can_dot(kernel: Contraction, shape: Shape) -> bool:
    """Are both operands contiguous along the innermost reduce axis? (A packed operand can always be made so.)"""
    return bool(shape.reduce) and shape.reduce[-1].a_stride == 1 and (kernel.packed or shape.reduce[-1].b_stride == 1)


def _forms(kernel: Contraction, shape: Shape, has_vnni: bool = False) -> list[str]:
    """The ways to keep a narrow B: widened at build, element by element, or side by side along k for a narrow A."""
    a, b = kernel.slots[0].dtype, kernel.slots[1].dtype
    if not shape.reduce:
        return ["tile"]
    if not isinstance(shape.depth, int):
        return ["tile", "quads"] if has_open_words(kernel, shape) else ["tile"]
    is_quads = a in (DType.U8, DType.I8) and b in (DType.I8, DType.I16) and shape.reduce[-1].a_stride == 1
    if not kernel.packed:
        copied = ["copied"] if shape.n_stride != 1 else []
        copied += ["quads"] if is_quads and b is DType.I8 else []
        return ["tile", *(copied if shape.depth <= COPIED_AT_MOST else [])]
    if is_quads:
        has_words = not has_vnni and can_multiply_bytes(kernel, shape)
        return [byte_words.FORM, "quads", "tile"] if has_words else ["quads", "tile"]
    if b not in (DType.F16, DType.BF16):
        return ["tile"]
    has_pairs = (a, b) == (DType.BF16, DType.BF16) and shape.reduce[-1].a_stride == 1
    return ["tile", "narrow", "pairs"] if has_pairs else ["tile", "narrow"]


def _widths(shape: Shape, target: Target) -> list[tuple[int, int]]:
    """(vectors, lanes) of a panel: up to four registers, or up to twelve for products of few rows."""
    n, full = shape.n.extent, register_lanes(shape, target)
    if not isinstance(n, int):
        return [(v, full) for v in range(1, 13)]
    lanes = min(full, 1 << max(0, n - 1).bit_length())
    return [(v, lanes) for v in range(1, 1 + max(1, min(12, -(-n // lanes))))]


def _row_choices(extent: Dim, usual: int, most: int) -> list[int]:
    """Steps of a tile: as many as fit, or a divisor; at least four if the number of steps is unknown."""
    if not isinstance(extent, int):
        return [min(most, max(4, usual))]
    rows = min(most, max(1, extent))
    exact = [r for r in range(rows, rows // 2, -1) if extent % r == 0][:1]
    return list(dict.fromkeys([rows, *exact]))


def _symbols(shape: Shape) -> frozenset[str]:
    extents = [shape.n.extent, *(r.extent for r in (*shape.groups, *shape.pixels, *shape.reduce))]
    return frozenset().union(*map(symbols, extents))


def _schedule(model: CostModel, tiling: Tiling, serial: bool) -> Schedule:
    unroll = _unroll(model, tiling)
    return ContractionOptions(
        form=tiling.form,
        rows=tiling.rows,
        vectors=tiling.vectors,
        lanes=tiling.lanes,
        unroll=unroll,
        axis=tiling.axis,
        fold=tiling.fold,
        block=model.block(tiling),
        prefetch=model.prefetch(tiling),
        spread=model.spread(tiling, unroll),
        serial=serial,
    ).schedule


def _unroll(model: CostModel, tiling: Tiling) -> int:
    """Unrolled steps of the innermost loop; never so many that rows share an A (it would stay in a register)."""
    shape = model.shape
    if not shape.reduce:
        return 1
    if tiling.form in cost.UNIT_FORMS:
        return step_of(model.kernel, shape)
    rows = rows_of(shape, tiling.axis, tiling.fold)
    between = (rows.folded or rows.tiled).a_stride
    extent, limit = shape.reduce[-1].extent, 4
    if tiling.form in STORED_IN_LOOPS:
        return 2 * QUAD if isinstance(extent, int) and extent >= 4 * QUAD else QUAD
    if shape.reduce[-1].a_stride == 1 and isinstance(between, int) and between > 0:
        limit = min(limit, between)
    if isinstance(extent, int):
        return next(u for u in range(min(limit, extent), 0, -1) if extent % u == 0 or u == 1) if extent < 16 else limit
    return 1 << (limit.bit_length() - 1)


CONTRACTION = CpuTemplate(
    kernel=Contraction,
    schedules=schedules,
    legal=legal,
    emit=emit,
    options=ContractionOptions,
    pack=pack,
    scratch_bytes=scratch_bytes,
)
