"""Writes a contraction of f32 numbers in the parts form: the tile unit multiplies them as three bf16 parts each.

    for each block of units:   for each slab of the depth:   for each panel, for each unit:
        the first time a unit comes: split its rows into parts, in scratch memory
        products of parts; in the last slab the epilogue of the unit before goes between them (write_tiles.py)

B is constant and packed in parts. A's rows are split once for all panels, a block of units at a time, and of a deep
product a slab at a time, so that the parts stay in the second cache level while the panels pass over them. Sums wait in
memory for the next slab.

A row with a sum that is not finite is computed once more, by plain multiply-adds, before it is stored: a number that
rounds to infinity as bf16 leaves no other trace. So infinity, NaN and overflow are what f32 makes of them, and a row
never touches another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llvmlite import ir

from burnish.kernels.task import Contraction
from burnish.targets.cpu.builder import F32, I1, I8, I32, I64, KernelContext
from burnish.targets.cpu.contraction.drain import FinishedUnit, RowTile
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.write import Bound, Panel, pieces
from burnish.targets.cpu.contraction.write_tiles import UnitWriter
from burnish.targets.cpu.expressions.memory import masked_load
from burnish.targets.cpu.expressions.storage import fill, storage_type
from burnish.targets.cpu.register_tile.load import lanes_below
from burnish.targets.cpu.register_tile.matrix import ROW_BYTES, ROWS, TILE_BYTES, Rows
from burnish.targets.cpu.register_tile.parts import PARTS, split
from burnish.targets.cpu.register_tile.prefetch import Ahead, request_next, share_of_next

_ROW_OF_PARTS, _STEP_BYTES = len(PARTS) * ROW_BYTES, len(PARTS) * TILE_BYTES  # of A's parts: [step][row][part]
_LANES = ROW_BYTES // 2  # numbers that are split at once: a row of a tile
_EXPONENTS = ir.Constant(ir.VectorType(I32, ROWS), [0x7F800000] * ROWS)  # all ones: infinity or NaN


class PartsWriter(UnitWriter):
    """One kernel in the parts form."""

    def __init__(self, context: KernelContext, kernel: Contraction, options: ContractionOptions, name: str) -> None:
        super().__init__(context, kernel, options, name)
        self.slab_bytes = self.unit.slab_steps * self.unit.step_bytes
        self.part_bytes = self.unit.step_bytes // self.unit.parts

    def _count_row_tiles(self) -> ir.Value:
        prologue = self.k.prologue
        self.split, self.of_group, self.of_sums = (prologue.alloca(I64) for _ in range(3))
        for place in (self.split, self.of_group, self.of_sums):
            prologue.store(self.k.i64(0), place)
        return super()._count_row_tiles()

    def _blocks(self, group: ir.Value, bound: Bound, lo: ir.Value, hi: ir.Value) -> None:
        k = self.k
        held = k.i64(self.unit.held)
        with pieces(k, lo, hi, k.ir.mul(held, k.dim(self.panels))) as (number, first, last):
            self.base = k.ir.mul(number, held)
            tiles = k.minimum(held, k.ir.sub(self.row_tiles, self.base))
            with k.loop(0, self.unit.slabs) as slabs:
                self.slab: ir.Value = k.i64(0) if self.unit.slabs == 1 else slabs.index
                self.pending.write(self.split, k.i64(0))
                self._panels(group, bound, first, last, self.base, tiles)

    def _row_tile(self, number: ir.Value, bound: Bound, panel: Panel) -> None:
        """One unit, in one slab."""
        k, unit, pending = self.k, self.unit, self.pending
        first = k.ir.mul(number, k.i64(unit.rows))
        place = k.ir.sub(number, self.base)
        parts = self._split_rows(place, [self._tile_at(k.ir.add(first, k.i64(r))) for r in range(unit.rows)], bound)
        kept = pending.read(pending.turn)
        if unit.slabs > 1:
            kept = k.ir.add(k.ir.mul(k.ir.udiv(panel.column, k.i64(self.width)), k.i64(unit.held)), place)
        sums, ahead = self._sums_at(kept), self._ahead(place, panel)
        self._begin(sums)
        self._multiply(lambda at: self._step_of_parts(at, parts, panel, sums, ahead))
        self.code.keep(sums)
        rows = k.ir.mul(self.height, k.i64(unit.rows))
        if unit.slabs == 1:
            pending.write(pending.turn, k.ir.xor(kept, k.i64(1)))
        else:
            is_last = k.ir.icmp_signed("==", self.slab, k.i64(unit.slabs - 1))
            rows = k.ir.select(is_last, rows, k.i64(0))
        pending.write(self.of_sums, kept)
        pending.write(self.of_group, self.group)
        self._finished(first, bound, panel, rows)

    def _begin(self, sums: Rows) -> None:
        """Start from zeros in the first slab, and from the sums so far in the others."""
        k = self.k
        if self.unit.slabs == 1:
            self.code.clear(sums)
            return
        is_first = k.ir.icmp_signed("==", self.slab, k.i64(0))
        with k.when(is_first):
            self.code.clear(sums)
        with k.when(k.ir.not_(is_first)):
            self.code.resume(sums)

    def _finished_sums(self) -> Rows:
        return self._sums_at(self.pending.read(self.of_sums))

    # -- products -------------------------------------------------------------------------------------------------

    def _ahead(self, number: ir.Value, panel: Panel) -> Ahead | None:
        """Of the next panel, the steps of this slab."""
        k, unit = self.k, self.unit
        if not self.options.spread:
            return None
        slab = k.address(panel.source, k.ir.mul(self.slab, k.i64(self.slab_bytes)), I8)
        share = share_of_next(k, slab, self.slab_bytes, number, self.options.spread, unit.step_bytes)
        further = k.i64((unit.slabs - 1) * self.slab_bytes)
        return Ahead(slab, k.address(share.start, further, I8), share.shift, share.lines)

    def _step_of_parts(
        self, at: ir.Value, parts: Sequence[ir.Value], panel: Panel, sums: Rows, ahead: Ahead | None
    ) -> None:
        k, unit = self.k, self.unit
        step = k.ir.add(k.ir.mul(self.slab, k.i64(unit.slab_steps)), at)
        b = k.address(panel.b, k.ir.mul(step, k.i64(unit.step_bytes)), I8)
        if ahead is not None:
            request_next(k, ahead, b)
        copies = [k.address(p, k.ir.mul(at, k.i64(_STEP_BYTES)), I8) for p in parts]
        self.code.step_of_parts(
            [[Rows(k.address(c, part * ROW_BYTES, I8), k.i64(_ROW_OF_PARTS)) for c in copies] for part in PARTS],
            [k.address(b, part * self.part_bytes, I8) for part in PARTS],
            sums,
        )

    def _split_rows(self, place: ir.Value, tiles: Sequence[RowTile], bound: Bound) -> list[ir.Value]:
        """Where the parts of each row tile lie; they are made when the unit comes for the first time."""
        k, unit, pending = self.k, self.unit, self.pending
        first = k.ir.mul(place, k.i64(unit.rows * unit.split_bytes))
        at = (k.ir.add(first, k.i64(unit.copies_at + r * unit.split_bytes)) for r in range(unit.rows))
        copies = [k.address(k.scratch, each, I8) for each in at]
        done, bit = pending.read(self.split), k.ir.shl(k.i64(1), place)
        with k.when(k.ir.icmp_signed("==", k.ir.and_(done, bit), k.i64(0))):
            pending.write(self.split, k.ir.or_(done, bit))
            for tile, copy in zip(tiles, copies):
                source = self._place(tile, bound)
                with k.loop(0, unit.slab_steps) as steps, k.loop(0, self.height) as rows:
                    self._split_step(source, copy, rows.index, steps.index)
        return copies

    def _split_step(self, source: ir.Value, copy: ir.Value, row: ir.Value, at: ir.Value) -> None:
        """The numbers of a row in a step, as three rows of tiles; zeros fill up the step."""
        k, unit = self.k, self.unit
        step, offset = self._depth_at(k.ir.add(k.ir.mul(self.slab, k.i64(unit.slab_steps)), at))
        place = k.address(k.address(source, k.ir.mul(row, self._stride), I8), offset, F32)
        kind = ir.VectorType(F32, _LANES)
        if (count := self._count(step)) is None:
            value = k.load(place, kind, 4)
        else:
            value = masked_load(k, place, kind, lanes_below(k, k.i64(0), count, _LANES), 4)
        target = k.ir.add(k.ir.mul(at, k.i64(_STEP_BYTES)), k.ir.mul(row, k.i64(_ROW_OF_PARTS)))
        target = k.address(copy, target, I8)
        for part, words in enumerate(split(k, value)):
            k.ir.store(words, k.address(target, part * ROW_BYTES, I8), align=ROW_BYTES)

    def _count(self, step: ir.Value) -> ir.Value | None:
        """The numbers of a step that exist; None: a whole row of a tile, always."""
        k, unit = self.k, self.unit
        if unit.inner % unit.step == 0:
            return None if unit.step == _LANES else k.i64(unit.step)
        return k.minimum(k.i64(unit.step), k.ir.sub(k.i64(unit.inner), k.ir.mul(step, k.i64(unit.step))))

    # -- rows that are no numbers ---------------------------------------------------------------------------------

    def _finished_unit(self) -> FinishedUnit:
        return replace(super()._finished_unit(), mend=self._mend)

    def _mend(self, tile: RowTile, row: ir.Value, place: ir.Value) -> None:
        """Compute a row of the unit before once more, if one of its sums is not finite."""
        k, kind, found = self.k, ir.VectorType(I32, ROWS), None
        for c in range(self.unit.columns):
            bits = k.ir.and_(k.load(k.address(place, c * ROW_BYTES, I8), kind, ROW_BYTES), _EXPONENTS)
            hit = k.ir.icmp_signed("==", bits, _EXPONENTS)
            found = hit if found is None else k.ir.or_(found, hit)
        with k.when(k.call(f"llvm.vector.reduce.or.v{ROWS}i1", I1, [found])):
            for c, sums in enumerate(self._plain_sums(tile, row)):
                k.ir.store(sums, k.address(place, c * ROW_BYTES, I8), align=ROW_BYTES)

    def _plain_sums(self, tile: RowTile, row: ir.Value) -> list[ir.Value]:
        """A row's sums by f32 multiply-adds, one k after the other."""
        k, unit, pending = self.k, self.unit, self.pending
        groups = {a: pending.read(place) for a, place in pending.groups.items()}
        a = k.address(self._place(tile, groups), k.ir.mul(row, self._stride), I8)
        column = k.ir.add(
            k.ir.mul(pending.read(self.of_group), k.dim(self.panels * self.width)), pending.read(pending.column)
        )
        offset = k.ir.mul(column, k.dim(self.panel_depth))
        b = k.address(k.slots[1], offset, storage_type(self.b_dtype))
        zeros = [ir.Constant(ir.VectorType(F32, ROWS), None)] * unit.columns
        with k.loop(0, unit.steps, carried=zeros) as steps:
            step, offset = self._depth_at(steps.index)
            of_step = k.address(b, k.ir.mul(steps.index, k.i64(unit.step_bytes)), I8)
            count = self._count(step)
            with k.loop(0, k.i64(unit.step) if count is None else count, carried=steps.carried) as each:
                value = k.load(k.address(a, k.ir.add(offset, each.index), F32), F32, 4)
                weights = self._weights(of_step, each.index)
                each.next = [k.multiply_add(k.splat(value, ROWS), w, s) for w, s in zip(weights, each.carried)]
            steps.next = each.results
        return steps.results

    def _weights(self, of_step: ir.Value, number: ir.Value) -> list[ir.Value]:
        """The columns' constants at one k of a step, made of their parts, which gives them exactly."""
        k, found = self.k, []
        pair = k.address(of_step, k.ir.mul(k.ir.lshr(number, k.i64(1)), k.i64(ROW_BYTES)), I8)
        unwanted = k.ir.trunc(k.ir.mul(k.ir.and_(number, k.i64(1)), k.i64(16)), I32)
        for c in range(self.unit.columns):
            total = None
            for part in reversed(PARTS):  # mid and lo together are exact; hi and mid may be beyond all numbers
                at = part * self.part_bytes + c * self.part_bytes // self.unit.columns
                words = k.load(k.address(pair, at, I8), ir.VectorType(I32, ROWS), 4)
                words = k.ir.shl(k.ir.lshr(words, k.splat(unwanted, ROWS)), fill(words, I32, 16))
                value = k.ir.bitcast(words, ir.VectorType(F32, ROWS))
                total = value if total is None else k.ir.fadd(total, value)
            found.append(total)
        return found
