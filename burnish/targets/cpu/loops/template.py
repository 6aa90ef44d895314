"""Loops: pointwise work, reductions, softmax, norms, pooling, gathers, depthwise convolution.

    for every unit (images x blocks of the vector axis x other axes x row tiles), shared out over the threads:
        values that are constant in the unit, row reductions first
        for vectors along the vector axis, `rows` rows at once: the values, then the stores

dtypes   all but f8 and strings; f16 and bf16 are computed in f32
work     one evaluation per element; a reduction is computed once per index of the axes that it depends on
limits   any domain, empty ones too; strides of any sign; tails are masked (AVX-512, and AVX2 for 4 and 8 byte elements)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from burnish.dims import Dim, ceildiv, product
from burnish.kernels.merge_axes import prepare
from burnish.kernels.schedule import Schedule
from burnish.kernels.simplify import multiply_by_softmax_factor
from burnish.kernels.task import Loops
from burnish.ops.language.expr import Axis
from burnish.target import Target
from burnish.targets.cpu.builder import KernelBuilder, KernelContext
from burnish.targets.cpu.cpu_template import CpuTemplate
from burnish.targets.cpu.expressions.lanes import Values, inside
from burnish.targets.cpu.expressions.reductions import hoist, reduce_together, tail_mask
from burnish.targets.cpu.expressions.values import values_at
from burnish.targets.cpu.loops import schedules as loops_schedule
from burnish.targets.cpu.loops.interleave import interleaved_axis, store_interleaved
from burnish.targets.cpu.loops.odometer import odometer
from burnish.targets.cpu.loops.options import LoopsOptions


def schedules(kernel: Loops, target: Target, sizes: Mapping[str, int] | None = None) -> list[Schedule]:
    """Legal schedules; the cost model's favourite comes first. `sizes`: the usual values of the dims."""
    return [options.schedule for options in loops_schedule.ranked(prepare(kernel), target, sizes or {})]


def legal(kernel: Loops, schedule: Schedule, target: Target) -> bool:
    """Can `emit` write this kernel with this schedule, no matter for which sizes it was chosen?"""
    is_ours = schedule.template == LoopsOptions.template
    return is_ours and loops_schedule.is_offered(prepare(kernel), LoopsOptions.read(schedule), target)


def emit(context: KernelContext, kernel: Loops, schedule: Schedule, name: str) -> ir.Function:
    """The kernel's function."""
    kernel = multiply_by_softmax_factor(prepare(kernel))
    options = LoopsOptions.read(schedule)
    builder = KernelBuilder(context, name, len(kernel.slots))
    if options.is_serial:
        builder.only_thread_zero()
    _Nest(builder, kernel, options).run()
    return builder.finish()


class _Nest:
    """The loop nest of one kernel that is being written."""

    def __init__(self, builder: KernelBuilder, kernel: Loops, options: LoopsOptions) -> None:
        self.b, self.kernel = builder, kernel
        self.width, self.rows, self.block = options.width, options.rows, options.block
        self.vector: Axis | None = kernel.domain[options.vector] if options.vector >= 0 else None
        self.tile: Axis | None = kernel.domain[options.tile] if options.tile >= 0 and self.rows > 1 else None
        self.interleaves = (
            self.tile is not None and self.vector is not None and interleaved_axis(kernel, self.vector) == self.tile
        )
        self.outer = tuple(a for a in kernel.domain if a not in (self.vector, self.tile))
        self.is_serial = options.is_serial
        self.values = [s.value for s in kernel.stores]
        self.inner = tuple(a for a in (self.tile, self.vector) if a is not None)

    def run(self) -> None:
        root = values_at(self.b, self.kernel.slots, {})
        hoist(root, self.values, self.kernel.domain)
        tiles = ceildiv(self.tile.extent, self.rows) if self.tile is not None else 1
        blocks, images = list[Dim](), 0
        if self.vector is not None and self.block:
            blocks, images = (
                [ceildiv(self.vector.extent, self.block)],
                loops_schedule.images_of(self.kernel, self.vector),
            )
        extents = [a.extent for a in self.outer]
        counters = [*extents[:images], *blocks, *extents[images:], tiles]
        if self.vector is not None and not self.outer and self.tile is None and not self.is_serial:
            self._columns([root], *self.b.share(self.vector.extent, max(64, self.width)))
            return
        lo, hi = (self.b.i64(0), self.b.dim(product(counters))) if self.is_serial else self.b.share(product(counters))
        with odometer(self.b, lo, hi, counters) as place:
            block = place.pop(images) if blocks else self.b.i64(0)
            scope = inside(root, dict(zip(self.outer, place)))
            hoist(scope, self.values, self.inner)
            self._unit(scope, place[-1], block)

    def _unit(self, scope: Values, tile: ir.Value, block: ir.Value) -> None:
        """One unit: its rows and its columns."""
        b = self.b
        lo, hi = b.i64(0), b.dim(self.vector.extent if self.vector is not None else 1)
        if self.block:
            lo = b.ir.mul(block, b.i64(self.block))
            hi = b.minimum(b.ir.add(lo, b.i64(self.block)), hi)
        if self.tile is None:
            self._columns([scope], lo, hi)
            return
        first = b.ir.mul(tile, b.i64(self.rows))
        extent = self.tile.extent
        if isinstance(extent, int) and extent % self.rows == 0:
            self._columns(self._row_scopes(scope, first, self.rows), lo, hi)
            return
        last = b.minimum(b.ir.add(first, b.i64(self.rows)), b.dim(extent))
        is_whole = b.ir.icmp_signed("==", b.ir.sub(last, first), b.i64(self.rows))
        with b.when(is_whole):
            self._columns(self._row_scopes(scope, first, self.rows), lo, hi)
        with b.when(b.ir.not_(is_whole)), b.loop(first, last) as loop:
            self._columns(self._row_scopes(scope, loop.index, 1), lo, hi)

    def _row_scopes(self, scope: Values, first: ir.Value, rows: int) -> list[Values]:
        assert self.tile is not None
        scopes = []
        for n in range(rows):
            row = self.b.ir.add(first, self.b.i64(n), flags=("nsw",)) if n else first
            scopes.append(inside(scope, {self.tile: row}))
        if self.vector is not None:
            for s in scopes:
                hoist(s, self.values, (self.vector,))
        return scopes

    def _columns(self, rows: Sequence[Values], lo: ir.Value, hi: ir.Value) -> None:
        """All rows along the vector axis: whole vectors, then the tail."""
        b = self.b
        if self.vector is None:
            self._point(rows)
            return
        vector, width = self.vector, self.width
        if width == 1:
            with b.loop(lo, hi) as loop:
                self._point([inside(r, {vector: loop.index}) for r in rows])
            return
        whole = b.ir.add(lo, b.ir.and_(b.ir.sub(hi, lo), b.i64(-width)))
        if isinstance(lo, ir.Constant) and isinstance(hi, ir.Constant):
            whole = b.i64(lo.constant + (hi.constant - lo.constant) // width * width)
        with b.loop(lo, whole, width) as loop:
            lanes = [inside(r, {vector: loop.index}, vector=vector, width=width) for r in rows]
            self._point(lanes, inside(rows[0], {vector: loop.index}) if self.interleaves else None)
        if isinstance(hi, ir.Constant) and isinstance(whole, ir.Constant) and hi.constant == whole.constant:
            return
        if loops_schedule.can_mask(self.kernel, b.target):
            with b.when(b.ir.icmp_signed("<", whole, hi)):
                mask = tail_mask(b, whole, hi, width)
                self._point([inside(r, {vector: whole}, vector=vector, width=width, mask=mask) for r in rows])
            return
        with b.loop(whole, hi) as loop:
            self._point([inside(r, {vector: loop.index}) for r in rows])

    def _point(self, scopes: Sequence[Values], first: Values | None = None) -> None:
        """Every store at one point of each scope. All values come first: a store may overwrite the input of another.

        first: the place of the first lane, if the scopes' stores lie between each other
        """
        reduce_together(scopes, self.values)
        results = [[s.value(v) for v in self.values] for s in scopes]
        if first is not None:
            for store in self.kernel.stores:
                store_interleaved(scopes, first, store)
            return
        for scope, values in zip(scopes, results):
            for store, value in zip(self.kernel.stores, values):
                scope.store(store.slot, store.index, value)


LOOPS = CpuTemplate(
    kernel=Loops,
    schedules=schedules,
    legal=legal,
    emit=emit,
    options=LoopsOptions,
)
