"""Writes a contraction: its loops, its thread split, and the epilogue of each tile.

    for group, for block of row tiles, for panel of n, for row tile in block:   accumulate, then store

One row tile of one panel is a unit of work. Threads take equal runs of units in exactly this order. So the load of any
number of threads differs by at most one tile, and units that follow each other share a panel of B (from cache) and rows
of A.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import Dim, ceildiv, product
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Run, analyse
from burnish.kernels.task import Contraction
from burnish.ops.language.expr import Axis
from burnish.targets.cpu.builder import I1, I8, I32, KernelBuilder, KernelContext
from burnish.targets.cpu.contraction.copy_panel import WordCopier, copies_panel, copy_elements, panel_words
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.pack import lead_steps, packed_run, storage_dtype
from burnish.targets.cpu.contraction.tile_rows import dot_lanes, rows_of, sums_in_memory
from burnish.targets.cpu.expressions.storage import storage_type
from burnish.targets.cpu.expressions.values import values_at
from burnish.targets.cpu.register_tile import byte_words
from burnish.targets.cpu.register_tile.accumulate import Level, Tile, accumulate
from burnish.targets.cpu.register_tile.dot import accumulate_dots
from burnish.targets.cpu.register_tile.load import lanes_below, scaled
from burnish.targets.cpu.register_tile.pairs import accumulate_pairs, pairs_at_once
from burnish.targets.cpu.register_tile.prefetch import Ahead, share_of_next
from burnish.targets.cpu.register_tile.quads import QUAD, accumulate_quads, quads_at_once
from burnish.targets.cpu.register_tile.rows import RowCase, RowTiles

Bound = Mapping[Axis, ir.Value]
STORED_IN_LOOPS = ("quads", byte_words.FORM)  # forms whose sums lie in scratch memory before they are stored


@dataclass(frozen=True)
class Panel:
    """A strip of n: its first column, the address of its B, and for each vector the lanes that exist (None: all).

    source: where B lies as a constant; `b` is that, past what lies before its depth
    """

    column: ir.Value
    b: ir.Value
    source: ir.Value
    masks: tuple[ir.Value | None, ...]


class TileWriter:
    """One kernel that is being written. Call `write` only; it calls the other methods."""

    def __init__(self, context: KernelContext, kernel: Contraction, options: ContractionOptions, name: str) -> None:
        self.kernel, self.options, self.shape = kernel, options, analyse(kernel)
        self.k = KernelBuilder(context, name, len(kernel.slots), private=frozenset({0, 1}))
        self.lanes, self.vectors, self.width, self.form = options.lanes, options.vectors, options.width, options.form
        self.is_dot, self.copies = self.form == "dot", copies_panel(kernel, self.form)
        self.is_packed = kernel.packed or self.copies
        self.rows = rows_of(self.shape, options.axis, options.fold)
        self.a_dtype, self.b_dtype = kernel.slots[0].dtype, kernel.slots[1].dtype
        if kernel.packed:
            self.b_dtype = storage_dtype(self.b_dtype, self.form)
        self.depths: list[Dim] = [r.extent for r in self.shape.reduce]  # as B is packed
        if self.form in ("pairs", "quads"):
            inner = self.depths[-1]
            assert isinstance(inner, int) or self.copies
            self.depths[-1] = packed_run(inner, self.form) if isinstance(inner, int) else inner
        self.lead = lead_steps(kernel, self.form)
        self.panel_depth = product(self.depths) + self.lead if self.lead else product(self.depths)

    def write(self) -> ir.Function:
        """The whole kernel."""
        k, serial = self.k, self.options.is_serial
        if serial:
            k.only_thread_zero()
        self.row_tiles = self._count_row_tiles()
        self.panels = ceildiv(self.kernel.n.extent, self.width)
        per_group = k.ir.mul(self.row_tiles, k.dim(self.panels))
        total = k.ir.mul(per_group, k.dim(self.shape.group_count))
        lo, hi = (k.i64(0), total) if serial else k.share(total)
        bound: dict[Axis, ir.Value] = {a: k.i64(0) for a in self.shape.ones}
        if self.shape.group_count == 1:
            self._blocks(k.i64(0), bound, lo, hi)
        else:
            with pieces(k, lo, hi, per_group) as (group, first, last):
                self._blocks(group, bound | bind(k, self.shape.groups, group), first, last)
        return self._finish()

    def _count_row_tiles(self) -> ir.Value:
        """The row tiles of each panel. Called once, before anything else is written."""
        k = self.k
        self.tiles = RowTiles(k, self.rows.tiled.extent, self.options.rows)
        return k.ir.mul(k.index(self.tiles.count), k.dim(product(r.extent for r in self.rows.outer)))

    def _finish(self) -> ir.Function:
        """The kernel's end."""
        return self.k.finish()

    def _blocks(self, group: ir.Value, bound: Bound, lo: ir.Value, hi: ir.Value) -> None:
        k, block = self.k, self.options.block
        if block == 0:
            self._panels(group, bound, lo, hi, k.i64(0), self.row_tiles)
            return
        with pieces(k, lo, hi, k.ir.mul(k.i64(block), k.dim(self.panels))) as (number, first, last):
            base = k.ir.mul(number, k.i64(block))
            self._panels(group, bound, first, last, base, k.minimum(k.i64(block), k.ir.sub(self.row_tiles, base)))

    def _panels(
        self, group: ir.Value, bound: Bound, lo: ir.Value, hi: ir.Value, base: ir.Value, tiles: ir.Value
    ) -> None:
        k = self.k
        with pieces(k, lo, hi, tiles) as (number, first, last):
            for condition, masks in self._panel_cases(number):
                with k.when(condition) if condition is not None else nullcontext():
                    panel = self._panel(group, bound, number, masks)
                    panel = self._copied(panel) if self.copies else panel
                    with k.loop(k.ir.add(base, first), k.ir.add(base, last)) as loop:
                        self._row_tile(loop.index, bound, panel)

    def _panel_cases(self, number: ir.Value) -> list[tuple[ir.Value | None, tuple[ir.Value | None, ...]]]:
        """A full panel, and the tail: condition and masks of each."""
        k, n, full = self.k, self.kernel.n.extent, (None,) * self.vectors
        if isinstance(n, int):
            whole, tail = divmod(n, self.width)
            masks = tuple(_static_mask(tail - v * self.lanes, self.lanes) for v in range(-(-tail // self.lanes)))
            if not tail or not whole:
                return [(None, masks if tail else full)]
            is_whole = k.ir.icmp_signed("<", number, k.i64(whole))
            return [(is_whole, full), (k.ir.not_(is_whole), masks)]
        end = k.ir.mul(k.ir.add(number, k.i64(1)), k.i64(self.width))
        is_whole = k.ir.icmp_signed("<=", end, k.dim(n))
        column = k.ir.sub(end, k.i64(self.width))
        starts = [k.ir.add(column, k.i64(v * self.lanes)) for v in range(self.vectors)]
        return [
            (is_whole, full),
            (k.ir.not_(is_whole), tuple(lanes_below(k, s, k.dim(n), self.lanes) for s in starts)),
        ]

    def _panel(self, group: ir.Value, bound: Bound, number: ir.Value, masks: tuple[ir.Value | None, ...]) -> Panel:
        k, shape = self.k, self.shape
        column = k.ir.mul(number, k.i64(self.width))
        if self.form == byte_words.FORM:
            number = k.ir.add(k.ir.mul(group, k.dim(self.panels)), number)
            panel = byte_words.panel_address(k, k.slots[1], number)
            return Panel(column, panel, panel, masks)
        if self.kernel.packed:
            columns = shape.n.extent if self.is_dot else self.panels * self.width
            offset = k.ir.mul(k.ir.add(k.ir.mul(group, k.dim(columns)), column), k.dim(self.panel_depth))
        else:
            offset = k.ir.add(scaled(k, column, shape.n_stride), run_offset(k, shape.groups, bound, "b_stride"))
        source = k.address(k.slots[1], offset, storage_type(self.b_dtype))
        b = k.address(source, self.lead * self.width, storage_type(self.b_dtype))
        return Panel(column, b, source, masks)

    def _copied(self, panel: Panel) -> Panel:
        """The panel in scratch memory, as if it were packed."""
        k, shape = self.k, self.shape
        words = panel_words(self.kernel, shape, self.options)
        if words is None:
            b = copy_elements(k, shape, self.b_dtype, self.lanes, panel.source, panel.masks, self.width)
            return Panel(panel.column, b, b, panel.masks)
        into = k.address(k.scratch, self._panel_at, I8)
        left = k.ir.sub(k.dim(shape.n.extent), panel.column)
        WordCopier(k, shape, words, into).copy(panel.source, self._column_masks(panel), left)
        return Panel(panel.column, k.address(into, words.lead, I8), into, panel.masks)

    @property
    def _panel_at(self) -> int:
        """Where a copied panel begins in scratch memory: after the sums that are stored in loops."""
        return sums_in_memory(self.shape, self.options)

    def _column_masks(self, panel: Panel) -> tuple[ir.Value | None, ...]:
        """For each vector of the panel the columns that exist, to be copied."""
        return panel.masks

    def _row_tile(self, number: ir.Value, bound: Bound, panel: Panel) -> None:
        k = self.k
        outer, tile = number, number
        if self.rows.outer:
            outer = k.ir.udiv(number, k.index(self.tiles.count))
            tile = k.ir.urem(number, k.index(self.tiles.count))
        bound = {**bound, **bind(k, self.rows.outer, outer)}
        for case in self.tiles.cases(tile):
            with k.when(case.condition) if case.condition is not None else nullcontext():
                self._tile(case, bound, panel, self._ahead(number, panel))

    def _tile(self, case: RowCase, bound: Bound, panel: Panel, ahead: Ahead | None) -> None:
        k = self.k
        offset = run_offset(k, (*self.shape.groups, *self.rows.outer), bound, "a_stride")
        offset = k.ir.add(offset, scaled(k, case.start, self.rows.tiled.a_stride))
        a = k.address(k.slots[0], offset, storage_type(self.a_dtype))
        tile = self._describe(case.size, len(panel.masks), ahead)
        if self.is_dot:
            k_lanes = dot_lanes(self.shape, k.target)
            sums = accumulate_dots(k, tile, a, panel.b, self._columns(panel, tile.lane_step), k_lanes)
        elif self.form == "pairs":
            sums = accumulate_pairs(k, tile, a, panel.b)
        elif self.form == byte_words.FORM:
            sums = byte_words.accumulate_bytes(k, tile, a, self._words_of(panel))
        elif self.form == "quads":
            sums = accumulate_quads(k, tile, a, panel.b, panel.source if self.lead else None)
        else:
            sums = accumulate(k, tile, a, panel.b, (None,) * tile.vectors if self.is_packed else panel.masks)
        self._store(case, bound, panel, sums)

    def _words_of(self, panel: Panel) -> byte_words.BytePanel:
        is_signed = self.a_dtype is DType.I8
        return byte_words.open_panel(self.k, self.k.slots[1], panel.source, self.width, is_signed)

    def _ahead(self, number: ir.Value, panel: Panel) -> Ahead | None:
        """The part of the next panel that row tile `number` prefetches. The next panel follows this one in memory."""
        spread, depth = self.options.spread, self.panel_depth
        if not spread or not isinstance(depth, int):
            return None
        row_bytes = self.width * self.b_dtype.size_bytes
        unroll = self.options.unroll
        at_once = {"pairs": 2 * pairs_at_once(unroll), "quads": QUAD * quads_at_once(unroll)}
        step_bytes = at_once.get(self.form, unroll) * row_bytes
        return share_of_next(self.k, panel.source, depth * row_bytes, number, spread, step_bytes)

    def _columns(self, panel: Panel, step: Dim) -> list[ir.Value]:
        """The distances of a dot tile's columns from the first. The last column replaces columns that do not exist."""
        k, n = self.k, self.shape.n.extent
        if isinstance(n, int):
            mask = panel.masks[0]
            exist = self.lanes if mask is None else n % self.lanes
            return [k.dim(step * c) for c in range(exist)]
        last = k.ir.sub(k.ir.sub(k.dim(n), k.i64(1)), panel.column)
        return [scaled(k, k.minimum(k.i64(c), last), step) for c in range(self.lanes)]

    def _describe(self, steps: int, vectors: int, ahead: Ahead | None) -> Tile:
        packed, reduce = self.is_packed, self.shape.reduce
        between_k, between_columns = (1, self.shape.depth) if self.is_dot else (self.width, 1)
        b_steps = [between_k * product(self.depths[i + 1 :]) for i in range(len(reduce))]
        levels = tuple(Level(r.extent, r.a_stride, s if packed else r.b_stride) for r, s in zip(reduce, b_steps))
        return Tile(
            offsets=self.rows.offsets(steps),
            vectors=vectors,
            lanes=self.lanes,
            unroll=self.options.unroll,
            lane_step=between_columns if packed else self.shape.n_stride,
            levels=levels,
            a_dtype=self.a_dtype,
            b_dtype=self.b_dtype,
            accumulator=self.shape.accumulator,
            prefetch=self.options.prefetch * (levels[-1].b_step if levels else 0),
            ahead=ahead,
        )

    def _store(self, case: RowCase, bound: Bound, panel: Panel, sums: Sequence[ir.Value]) -> None:
        """The epilogue, row by row: steps below `first` belong to the tile before."""
        k, rows = self.k, self.rows
        columns = [k.ir.add(panel.column, k.i64(v * self.lanes)) for v in range(len(panel.masks))]
        if self.form in STORED_IN_LOOPS and case.size > 1:
            self._store_in_loops(case, bound, panel, columns, sums)
            return
        for step in range(case.size):
            axes = {**bound, **bind(k, (rows.tiled,), k.ir.add(case.start, k.i64(step)))}
            guard = case.first is not None and step < case.size - 1
            with k.when(k.ir.icmp_signed("<=", case.first, k.i64(step))) if guard else nullcontext():
                for i in range(rows.per_step):
                    if rows.folded is not None:
                        axes |= bind(k, (rows.folded,), k.i64(i))
                    at = (step * rows.per_step + i) * len(columns)
                    self._store_row(axes, columns, panel.masks, sums[at : at + len(columns)])

    def _store_in_loops(
        self, case: RowCase, bound: Bound, panel: Panel, columns: Sequence[ir.Value], sums: Sequence[ir.Value]
    ) -> None:
        """The same from scratch memory, with one row's code for all rows.

        What requantises a row needs many registers. With the code of all rows one after the other, LLVM would keep
        constants in registers and spill the sums in the innermost loop over k instead.
        """
        k, rows, kind = self.k, self.rows, sums[0].type
        vector_bytes = self.lanes * self.shape.accumulator.size_bytes
        for n, total in enumerate(sums):
            k.ir.store(total, k.address(k.scratch, n * vector_bytes, I8), align=vector_bytes)
        with k.loop(k.i64(0) if case.first is None else case.first, case.size) as steps:
            axes = {**bound, **bind(k, (rows.tiled,), k.ir.add(case.start, steps.index))}
            with k.loop(0, rows.per_step) as inner:
                if rows.folded is not None:
                    axes |= bind(k, (rows.folded,), inner.index)
                row = k.ir.add(k.ir.mul(steps.index, k.i64(rows.per_step)), inner.index)
                at = k.address(k.scratch, k.ir.mul(row, k.i64(len(columns) * vector_bytes)), I8)
                places = [k.address(at, v * vector_bytes, I8) for v in range(len(columns))]
                self._store_row(axes, columns, panel.masks, [k.load(p, kind, vector_bytes) for p in places])

    def _store_row(
        self, axes: Bound, columns: Sequence[ir.Value], masks: Sequence[ir.Value | None], sums: Sequence[ir.Value]
    ) -> None:
        n, lanes = self.kernel.n, self.lanes
        if n.extent == 1 and lanes > 1:  # no index has a step along it
            lanes, masks, sums = 1, [None], [self.k.ir.extract_element(sums[0], ir.Constant(I32, 0))]
        for column, mask, total in zip(columns, masks, sums):
            bound = {**axes, n: column}
            values = values_at(
                self.k, self.kernel.slots, bound, vector=n, width=lanes, mask=mask, accumulators=(total,)
            )
            for store in self.kernel.stores:
                values.store(store.slot, store.index, values.value(store.value))


@contextmanager
def pieces(
    k: KernelBuilder, lo: ir.Value, hi: ir.Value, size: ir.Value
) -> Iterator[tuple[ir.Value, ir.Value, ir.Value]]:
    """Cut [lo, hi) at the multiples of size. For each piece: its number, and its part [first, last)."""
    size = k.ir.select(k.ir.icmp_signed(">", size, k.i64(0)), size, k.i64(1))
    end = k.ir.udiv(k.ir.add(hi, k.ir.sub(size, k.i64(1))), size)
    with k.loop(k.ir.udiv(lo, size), k.ir.select(k.ir.icmp_signed("<", lo, hi), end, k.i64(0))) as loop:
        start = k.ir.mul(loop.index, size)
        before = k.ir.sub(lo, start)
        first = k.ir.select(k.ir.icmp_signed(">", before, k.i64(0)), before, k.i64(0))
        yield loop.index, first, k.minimum(k.ir.sub(hi, start), size)


def bind(k: KernelBuilder, runs: Sequence[Run], flat: ir.Value) -> dict[Axis, ir.Value]:
    """The values of the axes of nested runs at a flat index over all of them."""
    bound: dict[Axis, ir.Value] = {}
    for i, run in reversed(list(enumerate(runs))):
        counter = flat
        if i:
            counter, flat = k.ir.urem(flat, k.dim(run.extent)), k.ir.udiv(flat, k.dim(run.extent))
        bound |= {a: k.i64(0) for a in run.axes[:-1]}
        bound[run.axes[-1]] = counter
    return bound


def run_offset(k: KernelBuilder, runs: Sequence[Run], bound: Bound, stride: str) -> ir.Value:
    """The offset of the runs' indices, in elements of A or B."""
    total: ir.Value = k.i64(0)
    for run in runs:
        total = k.ir.add(total, scaled(k, bound[run.axes[-1]], getattr(run, stride)))
    return total


def _static_mask(left: int, lanes: int) -> ir.Value | None:
    if left >= lanes:
        return None
    return ir.Constant(ir.VectorType(I1, lanes), [int(i < left) for i in range(lanes)])
