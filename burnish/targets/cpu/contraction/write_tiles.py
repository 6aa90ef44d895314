"""Writes a contraction in the tiles form: units of row tiles, each unit's epilogue between the steps of the next unit.

    begin;   for each unit:   for each step: (store some rows of the unit before), multiply;   then store the last unit

The sums of a unit lie in scratch memory, in two places in turn. The tile registers work on their own, so an epilogue's
vector code costs little if the steps are enough. A unit is `rows` row tiles that follow each other in the order of
`TileWriter`; the last unit's tiles that do not exist are the last tile again. Each row is stored once: not also by the
row tile that shares it with the tile before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

from llvmlite import ir

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.ops.language.expr import Axis
from burnish.targets.cpu.builder import I8, I32, I64, KernelBuilder, KernelContext, vector_type
from burnish.targets.cpu.contraction.drain import FinishedUnit, RowTile, share_of
from burnish.targets.cpu.contraction.first_sums import FirstSums, first_sums
from burnish.targets.cpu.contraction.narrow_stores import has_wide_stores, store_in_pairs
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.tile_rows import flat_rows, rows_of
from burnish.targets.cpu.contraction.unit import Unit, scheduled_unit
from burnish.targets.cpu.contraction.write import Bound, Panel, TileWriter, bind, run_offset
from burnish.targets.cpu.expressions.storage import register_type, storage_type
from burnish.targets.cpu.register_tile.load import lanes_below, scaled
from burnish.targets.cpu.register_tile.matrix import ROW_BYTES, ROWS, TILE_BYTES, Matrix, Rows, multiplier
from burnish.targets.cpu.register_tile.prefetch import Ahead, request_next, share_of_next

_STEPS_WRITTEN_OUT = 2  # steps that store rows, without a loop over them


class _Pending:
    """The unit whose sums are complete but not stored, in variables of the kernel (LLVM makes registers of them).

    gathered: a number of the unit whose rows of A are gathered, from 1
    """

    def __init__(self, writer: UnitWriter) -> None:
        self.k = writer.k
        prologue = self.k.prologue
        self.number, self.column, self.rows, self.turn, self.gathered = (prologue.alloca(I64) for _ in range(5))
        self.groups = {a: prologue.alloca(I64) for run in writer.shape.groups for a in run.axes}
        for place in (self.number, self.column, self.rows, self.turn, self.gathered, *self.groups.values()):
            prologue.store(self.k.i64(0), place)

    def read(self, place: ir.Value) -> ir.Value:
        return self.k.load(place, I64, 8)

    def write(self, place: ir.Value, value: ir.Value) -> None:
        self.k.ir.store(value, place, align=8)


class UnitWriter(TileWriter):
    """One kernel in the tiles form."""

    def __init__(self, context: KernelContext, kernel: Contraction, options: ContractionOptions, name: str) -> None:
        self.first: FirstSums | None = None
        if (found := first_sums(kernel, options.width)) is not None:
            kernel, self.first = found
        super().__init__(context, kernel, options, name)
        self.unit: Unit = scheduled_unit(kernel, self.shape, options)
        self.flat = flat_rows(self.shape) if options.fold and options.axis == 0 else None
        if options.fold and options.axis == 1:  # then a row tile is the innermost run
            self.rows = rows_of(self.shape, 0, False)
        self.panel_depth = self.unit.steps * self.unit.step * self.unit.parts
        self.ragged = not isinstance(kernel.n.extent, int) or bool(kernel.n.extent % self.width)

    def _count_row_tiles(self) -> ir.Value:
        """The units of each panel. Also decides the height of row tiles, and begins."""
        k, unit = self.k, self.unit
        extent = k.index(self.rows.tiled.extent)
        tiles = _ceil_div(self, extent, unit.height)
        if not self.rows.outer and not isinstance(extent, ir.Constant):
            is_one = k.ir.icmp_signed("<=", tiles, k.i64(1))
            tiles = k.ir.select(is_one, tiles, k.ir.mul(_ceil_div(self, tiles, unit.rows), k.i64(unit.rows)))
        self.tiles_of_run = tiles
        if isinstance(extent, ir.Constant):
            self.height: ir.Value = k.i64(min(unit.height, int(extent.constant)))
        else:
            some = k.ir.select(k.ir.icmp_signed(">", tiles, k.i64(0)), tiles, k.i64(1))
            rows = k.ir.select(k.ir.icmp_signed(">", extent, k.i64(0)), extent, k.i64(1))  # no tile may have none
            self.height = k.ir.udiv(k.ir.add(rows, k.ir.sub(some, k.i64(1))), some)
        self.extent = extent
        self.all_tiles = k.ir.mul(tiles, k.dim(product(r.extent for r in self.rows.outer)))
        whole = [known_or_zero(r.extent) for r in self.rows.outer]
        along = known_or_zero(self.rows.tiled.extent)
        tiles_along, rest = divmod(along, unit.height)  # row tiles may be lower than the schedule says
        whole_tiles = 0 if rest else math.prod(whole) * tiles_along
        self.is_whole = whole_tiles > 0 and whole_tiles % unit.rows == 0
        self.pending = _Pending(self)
        left = DType.BF16 if unit.parts > 1 else self.a_dtype
        matrix = Matrix(left, self.b_dtype, unit.rows, unit.columns, self.height, unit.step * unit.item)
        self.code = multiplier(k, matrix)
        self.code.begin(k.scratch)
        if unit.copies_bytes and unit.parts == 1:
            self._clear_copies()
        return _ceil_div(self, self.all_tiles, unit.rows)

    def _finish(self) -> ir.Function:
        k = self.k
        with k.when(k.ir.icmp_signed(">", self.pending.read(self.pending.rows), k.i64(0))):
            self._finished_unit().store_all()
        self.code.end()
        return k.finish()

    def _panels(
        self, group: ir.Value, bound: Bound, lo: ir.Value, hi: ir.Value, base: ir.Value, tiles: ir.Value
    ) -> None:
        self.group = group
        super()._panels(group, bound, lo, hi, base, tiles)

    def _panel_cases(self, number: ir.Value) -> list[tuple[ir.Value | None, tuple[ir.Value | None, ...]]]:
        """B is padded with zeros, so that all panels are alike."""
        return [(None, (None,) * self.vectors)]

    @property
    def _panel_at(self) -> int:
        return self.unit.scratch_bytes

    def _column_masks(self, panel: Panel) -> tuple[ir.Value | None, ...]:
        k, n = self.k, self.shape.n.extent
        if not self.ragged:
            return panel.masks
        starts = (k.ir.add(panel.column, k.i64(v * self.lanes)) for v in range(self.vectors))
        return tuple(lanes_below(k, start, k.dim(n), self.lanes) for start in starts)

    def _row_tile(self, number: ir.Value, bound: Bound, panel: Panel) -> None:
        """One unit."""
        k, unit, pending = self.k, self.unit, self.pending
        first = k.ir.mul(number, k.i64(unit.rows))
        tiles = [self._tile_at(k.ir.add(first, k.i64(r))) for r in range(unit.rows)]
        rows = [Rows(self._place(t, bound), self._stride) for t in tiles]
        if unit.pieces > 1:
            rows = self._gathered(number, rows)
        turn = pending.read(pending.turn)
        sums, ahead = self._sums_at(turn), self._ahead(number, panel)
        self.code.clear(sums, self._first_sums(panel))
        self._multiply(lambda at: self._step(at, rows, panel, sums, ahead))
        self.code.keep(sums)
        pending.write(pending.turn, k.ir.xor(turn, k.i64(1)))
        self._finished(first, bound, panel, k.ir.mul(self.height, k.i64(unit.rows)))

    def _multiply(self, step: Callable[[ir.Value], None]) -> None:
        """The steps of a unit, then in each some rows of the unit before: the tile unit works while they are stored."""
        k, steps, stored = self.k, self.unit.slab_steps, self._finished_unit()
        share = share_of(self.unit)

        def step_and_store(at: ir.Value) -> None:
            step(at)
            stored.store_share(share, at)

        if share.steps <= _STEPS_WRITTEN_OUT:
            for at in range(share.steps):
                step_and_store(k.i64(at))
        else:
            with k.loop(0, share.steps) as loop:
                step_and_store(loop.index)
        if share.steps < steps:
            with k.loop(share.steps, steps) as loop:
                step(loop.index)

    def _finished(self, first: ir.Value, bound: Bound, panel: Panel, rows: ir.Value) -> None:
        """Remember a unit by its first row tile: so many rows of it are to be stored."""
        pending = self.pending
        pending.write(pending.number, first)
        pending.write(pending.column, panel.column)
        pending.write(pending.rows, rows)
        for axis, place in pending.groups.items():
            pending.write(place, bound[axis])

    # -- where units lie ------------------------------------------------------------------------------------------

    def _tile_at(self, number: ir.Value) -> RowTile:
        """Row tile `number`, counted over all outer axes; beyond the last, the last, with nothing to store."""
        k = self.k
        last = k.ir.sub(self.all_tiles, k.i64(1))
        exists = k.ir.icmp_signed("<=", number, last)
        number = k.ir.select(exists, number, last)
        outer, tile = number, number
        if self.rows.outer:
            outer, tile = k.ir.udiv(number, self.tiles_of_run), k.ir.urem(number, self.tiles_of_run)
        wanted = k.ir.mul(tile, self.height)
        start = k.minimum(wanted, k.ir.sub(self.extent, self.height))
        first = k.ir.select(exists, k.ir.sub(wanted, start), self.height)
        return RowTile(bind(k, self.rows.outer, outer), start, first)

    def _place(self, tile: RowTile, bound: Bound) -> ir.Value:
        """The address of A at the tile's first row and reduce index 0."""
        k = self.k
        offset = run_offset(k, (*self.shape.groups, *self.rows.outer), {**bound, **tile.outer}, "a_stride")
        offset = k.ir.add(offset, scaled(k, tile.start, self.rows.tiled.a_stride))
        return k.address(k.slots[0], offset, storage_type(self.a_dtype))

    def _sums_at(self, turn: ir.Value) -> Rows:
        k = self.k
        offset = k.ir.add(k.i64(ROW_BYTES), k.ir.mul(turn, k.i64(self.unit.sums_bytes)))
        return Rows(k.address(k.scratch, offset, I8), k.i64(self.unit.columns * ROW_BYTES))

    def _first_sums(self, panel: Panel) -> ir.Value | None:
        """Where those of a panel's columns lie, if they are not zeros."""
        k, first = self.k, self.first
        if first is None:
            return None
        return k.address(k.slots[first.slot], k.ir.add(panel.column, k.i64(first.offset)), I32)

    def _ahead(self, number: ir.Value, panel: Panel) -> Ahead | None:
        unit, spread, block = self.unit, self.options.spread, self.options.block
        if not spread:
            return None
        if block:  # each block passes through the panels
            number = self.k.ir.urem(number, self.k.i64(block))
        return share_of_next(self.k, panel.source, unit.steps * unit.step_bytes, number, spread, unit.step_bytes)

    # -- products -------------------------------------------------------------------------------------------------

    def _step(self, number: ir.Value, tiles: Sequence[Rows], panel: Panel, sums: Rows, ahead: Ahead | None) -> None:
        k, unit = self.k, self.unit
        b = k.address(panel.b, k.ir.mul(number, k.i64(unit.step_bytes)), I8)
        if ahead is not None:
            request_next(k, ahead, b)
        step, offset = self._depth_at(number)
        rows = [Rows(k.address(t.place, offset, storage_type(self.a_dtype)), t.stride) for t in tiles]
        if unit.tail:
            is_tail = k.ir.icmp_signed("==", step, k.i64(unit.steps_of_run - 1))
            rows = self._with_tails(rows, is_tail)
        self.code.step(rows, b, sums)

    def _depth_at(self, number: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Which step of its run a step is, and where it begins in a row of A."""
        k, unit = self.k, self.unit
        step, offset = number, k.i64(0)
        if unit.runs > 1:
            run, step = k.ir.udiv(number, k.i64(unit.steps_of_run)), k.ir.urem(number, k.i64(unit.steps_of_run))
            outer = self.shape.reduce[:-1]
            offset = run_offset(k, outer, bind(k, outer, run), "a_stride")
        return step, k.ir.add(offset, k.ir.mul(step, k.i64(unit.step)))

    def _with_tails(self, rows: Sequence[Rows], is_tail: ir.Value) -> list[Rows]:
        """In the last step of a run, rows that end before the step does are multiplied from a copy, with zeros."""
        k = self.k
        copies = [k.address(k.scratch, self.unit.copies_at + r * TILE_BYTES, I8) for r in range(len(rows))]
        with k.when(is_tail):
            for copy, tile in zip(copies, rows):
                with k.loop(0, self.height) as loop:
                    source = k.address(tile.place, k.ir.mul(loop.index, tile.stride), I8)
                    target = k.address(copy, k.ir.mul(loop.index, k.i64(ROW_BYTES)), I8)
                    copy_bytes(k, source, target, self.unit.tail * self.unit.item)
        return [
            Rows(k.ir.select(is_tail, c, t.place), k.ir.select(is_tail, k.i64(ROW_BYTES), t.stride))
            for c, t in zip(copies, rows)
        ]

    def _gathered(self, number: ir.Value, tiles: Sequence[Rows]) -> list[Rows]:
        """The rows of a unit with their runs side by side. They are copied once for panels that follow each other."""
        k, unit, pending = self.k, self.unit, self.pending
        key = k.ir.add(k.ir.mul(self.group, self.row_tiles), k.ir.add(number, k.i64(1)))
        high = [k.address(k.scratch, self.unit.copies_at + r * ROWS * unit.row_bytes, I8) for r in range(len(tiles))]
        with k.when(k.ir.icmp_signed("!=", pending.read(pending.gathered), key)):
            pending.write(pending.gathered, key)
            pieces = self._pieces()
            for tile, copy in zip(tiles, high):
                with k.loop(0, self.height) as loop:
                    source = k.address(tile.place, k.ir.mul(loop.index, tile.stride), I8)
                    target = k.address(copy, k.ir.mul(loop.index, k.i64(unit.row_bytes)), I8)
                    for n, (offset, count) in enumerate(pieces):
                        piece = k.address(source, offset, I8)
                        copy_bytes(k, piece, k.address(target, n * self.piece_bytes, I8), count)
        return [Rows(copy, k.i64(unit.row_bytes)) for copy in high]

    def _pieces(self) -> list[tuple[ir.Value, int]]:
        """Where each run of a row begins, and the bytes to copy: more than it has where later runs lie beyond them."""
        k, item, own = self.k, self.unit.item, self.piece_bytes
        *outer, _ = self.shape.reduce
        steps = [run.a_stride for run in outer]
        wide = 1 << (own - 1).bit_length()
        may_exceed = all(isinstance(s, int) and s * item >= wide - own for s in steps) and wide <= ROW_BYTES
        usual = wide if may_exceed and not k.target.is_checked else own
        found = []
        for n in range(self.unit.pieces):
            offset = run_offset(k, outer, bind(k, outer, k.i64(n)), "a_stride")
            is_last = n + 1 == self.unit.pieces
            found.append((k.ir.mul(offset, k.i64(item)), own if is_last else usual))
        return found

    @property
    def piece_bytes(self) -> int:
        """Bytes of a run that is gathered."""
        return self.unit.inner // self.unit.pieces * self.unit.item

    @property
    def _stride(self) -> ir.Value:
        """Bytes from row to row of a row tile."""
        stride: Dim = self.rows.tiled.a_stride * self.a_dtype.size_bytes
        return self.k.dim(stride)

    def _clear_copies(self) -> None:
        k = self.k
        with k.loop(0, self.unit.copies_bytes, ROW_BYTES) as loop:
            place = k.address(k.scratch, k.ir.add(loop.index, k.i64(self.unit.copies_at)), I8)
            k.ir.store(ir.Constant(vector_type(I64, ROW_BYTES // 8), None), place, align=ROW_BYTES)

    # -- the epilogue ---------------------------------------------------------------------------------------------

    def _finished_unit(self) -> FinishedUnit:
        """The unit before, to be stored."""
        k, pending = self.k, self.pending
        number, column = pending.read(pending.number), pending.read(pending.column)
        columns = [k.ir.add(column, k.i64(c * ROWS)) for c in range(self.vectors)]
        groups = {a: pending.read(place) for a, place in pending.groups.items()}
        masks: list[ir.Value | None] = [None] * len(columns)
        if self.ragged:
            masks = [lanes_below(k, c, k.dim(self.kernel.n.extent), ROWS) for c in columns]

        def store(tile: RowTile, row: ir.Value, sums: Sequence[ir.Value]) -> None:
            pixel, exists = self._pixel(k.ir.add(tile.start, row))
            axes = {a: k.i64(0) for a in self.shape.ones} | groups | dict(tile.outer) | pixel
            with nullcontext() if exists is None else k.when(exists):
                self._store_row(axes, columns, masks, sums)

        return FinishedUnit(
            k,
            self.unit,
            exists=k.ir.icmp_signed(">", pending.read(pending.rows), k.i64(0)),
            is_whole=self.is_whole,
            tiles=[self._tile_at(k.ir.add(number, k.i64(r))) for r in range(self.unit.rows)],
            height=self.height,
            sums=self._finished_sums(),
            kind=vector_type(register_type(self.shape.accumulator), ROWS),
            store=store,
        )

    def _finished_sums(self) -> Rows:
        """Where the sums of the unit before lie."""
        return self._sums_at(self.k.ir.xor(self.pending.read(self.pending.turn), self.k.i64(1)))

    def _pixel(self, row: ir.Value) -> tuple[dict[Axis, ir.Value], ir.Value | None]:
        """The axes of a row, and whether it is a pixel, if it may lie between two."""
        k, flat = self.k, self.flat
        if flat is None:
            return bind(k, (self.rows.tiled,), row), None
        steps = (replace(run, extent=width) for run, width in zip(flat.runs[1:], flat.widths))
        found, exists = bind(k, (flat.runs[0], *steps), row), None
        for run, width in zip(flat.runs[1:], flat.widths):
            if width != run.extent:
                exists = k.ir.icmp_signed("<", found[run.axes[-1]], k.dim(run.extent))
        return found, exists

    def _store_row(
        self, axes: Bound, columns: Sequence[ir.Value], masks: Sequence[ir.Value | None], sums: Sequence[ir.Value]
    ) -> None:
        if has_wide_stores(self.k, self.kernel, len(columns)):
            store_in_pairs(self.k, self.kernel, axes, columns, masks, sums)
        else:
            super()._store_row(axes, columns, masks, sums)


def known_or_zero(extent: Dim) -> int:
    """An extent, or 0 if it is known only in a run."""
    return extent if isinstance(extent, int) else 0


def _ceil_div(writer: UnitWriter, value: ir.Value, by: int) -> ir.Value:
    k = writer.k
    if isinstance(value, ir.Constant):
        return k.i64(-(-int(value.constant) // by))
    return k.ir.udiv(k.ir.add(value, k.i64(by - 1)), k.i64(by))


def copy_bytes(k: KernelBuilder, source: ir.Value, target: ir.Value, count: int) -> None:
    """Copy `count` bytes by one or two loads of up to 64, which overlap, and touch no byte beyond them."""
    size = min(ROW_BYTES, 1 << count.bit_length() - 1)
    kind = ir.IntType(8 * size) if size <= 8 else ir.VectorType(I64, size // 8)
    for at in sorted({*range(0, count - size + 1, size), count - size}):
        k.ir.store(k.load(k.address(source, at, I8), kind, 1), k.address(target, at, I8), align=1)
