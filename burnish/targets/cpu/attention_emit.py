"""Writes attention kernels; the method is in attention.py.

Names: a *tile* is a few query rows of one head, a *unit* is `tiles` of them, a *block* is `keys` keys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import Dim, floordiv, product
from burnish.dtypes import DType
from burnish.lower.schedule import Schedule
from burnish.lower.task import AttentionTask, Store
from burnish.ops.expr import Axis, acc, axis, load
from burnish.targets.cpu import arithmetic
from burnish.targets.cpu.attention_pack import KeyBlock, pack_keys
from burnish.targets.cpu.builder import I1, I8, I32, KernelBuilder, KernelContext, vector_type
from burnish.targets.cpu.contraction_dot import accumulate_dots
from burnish.targets.cpu.contraction_load import lanes_below, scaled, widen
from burnish.targets.cpu.contraction_rows import RowCase, Rows
from burnish.targets.cpu.contraction_tile import Level, Tile, accumulate
from burnish.targets.cpu.reductions import across_lanes
from burnish.targets.cpu.storage import register_type, storage_type
from burnish.targets.cpu.values import Values

FEW_ROWS = 4  # tiles up to this size read keys where they lie
_COLUMNS = 4


@dataclass(frozen=True)
class Layout:
    """Where things lie in a thread's scratch memory (bytes)."""

    keys: int
    scores: int
    sums: int
    statistics: int
    size_bytes: int


def accumulator(kernel: AttentionTask) -> DType:
    """What scores and sums are kept in."""
    return DType.F64 if kernel.slots[0].dtype is DType.F64 else DType.F32


def padded(size: int, lanes: int) -> int:
    """Rounded up to whole vectors."""
    return -(-size // lanes) * lanes


def scratch_layout(kernel: AttentionTask, schedule: Schedule) -> Layout:
    """The parts, each from a 64-byte boundary."""
    rows, tiles, keys = (schedule.integer(n) for n in ("rows", "tiles", "keys"))
    depth, value_size = static(kernel.slots[0].shape[3]), static(kernel.slots[2].shape[3])
    item = accumulator(kernel).size_bytes
    sizes = [keys * depth, rows * keys, tiles * rows * padded(value_size, schedule.integer("lanes")), 2 * tiles * rows]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size * item // 64) * 64)
    return Layout(*starts)


def static(dim: Dim) -> int:
    assert isinstance(dim, int), "head sizes are static"
    return dim


@dataclass(frozen=True)
class Head:
    """One unit's head: its axes' values, and where its keys and values begin."""

    batch: ir.Value
    head: ir.Value
    q: ir.Value
    k: ir.Value
    v: ir.Value


@dataclass(frozen=True)
class Block:
    """Keys first <= j < first + count."""

    first: ir.Value
    count: ir.Value


class AttentionWriter:
    """One kernel being written; `write` is the only thing to call."""

    def __init__(self, context: KernelContext, kernel: AttentionTask, schedule: Schedule, name: str) -> None:
        self.kernel, self.schedule = kernel, schedule
        self.k = KernelBuilder(context, name, len(kernel.slots))
        self.q_slot, self.k_slot, self.v_slot = kernel.slots[:3]
        self.out = len(kernel.slots) - 1
        self.batch, self.heads, self.queries, depth = self.q_slot.shape
        self.keys, self.kv_heads = self.k_slot.shape[2], self.k_slot.shape[1]
        self.depth, self.value_size = static(depth), static(self.v_slot.shape[3])
        self.rows_each, self.tiles, self.block, self.lanes, self.vectors = (
            schedule.integer(n) for n in ("rows", "tiles", "keys", "lanes", "vectors")
        )
        self.width, self.row = self.lanes * self.vectors, padded(self.value_size, self.lanes)
        self.dtype = accumulator(kernel)
        self.element = register_type(self.dtype)
        self.vector = vector_type(self.element, self.lanes)
        self.is_single = isinstance(self.keys, int) and 0 < self.keys <= self.block
        self.lowest = ir.Constant(self.vector, [-math.inf] * self.lanes)
        layout = scratch_layout(kernel, schedule)
        self.panels, self.scores, self.sums, self.maxima = (
            self.k.address(self.k.scratch, at, I8)
            for at in (layout.keys, layout.scores, layout.sums, layout.statistics)
        )
        self.totals = self.k.address(self.maxima, self.tiles * self.rows_each, self.element)
        self.axes = tuple(Axis(n, e) for n, e in zip("bhi", self.q_slot.shape))
        self.key_axis, self.value_axis = Axis("j", self.keys), Axis("e", self.value_size)

    def write(self) -> ir.Function:
        """The whole kernel."""
        k, serial = self.k, bool(self.schedule["serial"])
        if serial:
            k.only_thread_zero()
        self.rows = Rows(k, self.queries, self.rows_each)
        count = k.index(self.rows.count)
        units = k.ir.udiv(k.ir.add(count, k.i64(self.tiles - 1)), k.i64(self.tiles))
        total = k.ir.mul(units, k.dim(product((self.batch, self.heads))))
        lo, hi = (k.i64(0), total) if serial else k.share(total)
        with k.loop(lo, hi) as unit:
            head = self._head(k.ir.udiv(unit.index, units))
            first = k.ir.mul(k.ir.urem(unit.index, units), k.i64(self.tiles))
            last = k.minimum(k.ir.add(first, k.i64(self.tiles)), count)
            self._unit(head, first, last)
        return k.finish()

    def _head(self, number: ir.Value) -> Head:
        k = self.k
        b, h = k.ir.udiv(number, k.dim(self.heads)), k.ir.urem(number, k.dim(self.heads))
        kv = k.ir.udiv(h, k.dim(floordiv(self.heads, self.kv_heads)))
        places = []
        for n, (slot, which) in enumerate(((self.q_slot, h), (self.k_slot, kv), (self.v_slot, kv))):
            offset = k.ir.add(scaled(k, b, slot.strides[0]), scaled(k, which, slot.strides[1]))
            places.append(k.address(k.slots[n], offset, storage_type(slot.dtype)))
        return Head(b, h, *places)

    def _unit(self, head: Head, first: ir.Value, last: ir.Value) -> None:
        k = self.k
        if self.is_single:
            self._keys(head, Block(k.i64(0), k.dim(self.keys)), first, last)
        else:
            self._reset()
            with k.loop(0, self._keys_seen(last), self.block) as loop:
                left = k.ir.sub(k.dim(self.keys), loop.index)
                self._keys(head, Block(loop.index, k.minimum(left, k.i64(self.block))), first, last)
        self._each_tile(first, last, lambda case, number: self._finish(case, number, head))

    def _keys_seen(self, last: ir.Value) -> ir.Value:
        """The number of keys that the unit's last row may look at."""
        k, keys = self.k, self.k.dim(self.keys)
        if not self.kernel.causal:
            return keys
        cases = self.rows.cases(k.ir.sub(last, k.i64(1)))
        end = k.ir.add(cases[-1].start, k.i64(cases[-1].size))
        for case in cases[:-1]:
            assert case.condition is not None
            end = k.ir.select(case.condition, k.ir.add(case.start, k.i64(case.size)), end)
        return k.minimum(keys, k.ir.add(end, k.dim(self.keys - self.queries)))

    def _each_tile(self, first: ir.Value, last: ir.Value, body: object) -> None:
        """Call body(case, number in the unit) for every tile of a unit."""
        k = self.k
        assert callable(body)
        with k.loop(first, last) as loop:
            for case in self.rows.cases(loop.index):
                with k.when(case.condition) if case.condition is not None else nullcontext():
                    body(case, k.ir.sub(loop.index, first))

    def _reset(self) -> None:
        """No key seen yet: sums 0, maxima -inf."""
        k = self.k
        rows = self.tiles * self.rows_each
        with k.loop(0, rows * self.row, self.lanes) as loop:
            self._put(ir.Constant(self.vector, None), self.sums, loop.index)
        with k.loop(0, rows) as loop:
            self._put(ir.Constant(self.element, -math.inf), self.maxima, loop.index)
            self._put(ir.Constant(self.element, 0.0), self.totals, loop.index)

    def _keys(self, head: Head, block: Block, first: ir.Value, last: ir.Value) -> None:
        """One block of keys for all tiles of the unit."""
        k = self.k
        packs: ir.Value | bool = True
        if self._can_dot:
            packs = self.rows.at_least(FEW_ROWS + 1)
        if packs is not False:
            with k.when(packs) if packs is not True else nullcontext():
                end = k.ir.sub(k.dim(self.keys), k.i64(1))
                keys = KeyBlock(head.k, self.k_slot.dtype, *self.k_slot.strides[2:], self.depth, *_span(block), end)
                pack_keys(k, keys, self.panels, self.width, self.lanes, self.dtype)

        def tile(case: RowCase, number: ir.Value) -> None:
            if case.size <= FEW_ROWS and self._can_dot:
                self._score_dots(case, head, block)
            else:
                self._score_panels(case, head, block)
            self._softmax(case, number, block)
            self._times_values(case, number, head, block)

        self._each_tile(first, last, tile)

    @property
    def _can_dot(self) -> bool:
        return self.q_slot.strides[3] == 1 and self.k_slot.strides[3] == 1

    # -- scores ---------------------------------------------------------------------------------------------------

    def _score_panels(self, case: RowCase, head: Head, block: Block) -> None:
        k = self.k
        q = self._at(head.q, case.start, self.q_slot.strides[2], self.q_slot.dtype)
        levels = (Level(self.depth, self.q_slot.strides[3], self.width),)
        tile = Tile(
            case.size, self.vectors, self.lanes, 4, self.q_slot.strides[2], 1, levels,
            self.q_slot.dtype, self.dtype, self.dtype,
        )  # fmt: skip
        with k.loop(0, block.count, self.width) as loop:
            panel = k.address(self.panels, k.ir.mul(loop.index, k.i64(self.depth)), self.element)
            sums = accumulate(k, tile, q, panel, (None,) * self.vectors)
            for v in range(self.vectors):
                at = k.ir.add(loop.index, k.i64(v * self.lanes))
                self._put_scores(case, head, block, at, self.lanes, sums[v :: self.vectors])

    def _score_dots(self, case: RowCase, head: Head, block: Block) -> None:
        k = self.k
        q = self._at(head.q, case.start, self.q_slot.strides[2], self.q_slot.dtype)
        levels = (Level(self.depth, 1, 1),)
        step = self.k_slot.strides[2]
        tile = Tile(
            case.size, 1, _COLUMNS, 1, self.q_slot.strides[2], step, levels,
            self.q_slot.dtype, self.k_slot.dtype, self.dtype,
        )  # fmt: skip
        tail = k.ir.mul(k.ir.udiv(k.ir.sub(block.count, k.i64(1)), k.i64(self.lanes)), k.i64(self.lanes))
        for i in range(case.size):
            self._put(self.lowest, self.scores, k.ir.add(tail, k.i64(i * self.block)))
        with k.loop(0, block.count, _COLUMNS) as loop:
            last = k.ir.sub(k.ir.sub(block.count, k.i64(1)), loop.index)
            columns = [scaled(k, k.minimum(k.i64(c), last), step) for c in range(_COLUMNS)]
            keys = self._at(head.k, k.ir.add(block.first, loop.index), step, self.k_slot.dtype)
            sums = accumulate_dots(k, tile, q, keys, columns, min(self.lanes, 1 << self.depth.bit_length() - 1))
            self._put_scores(case, head, block, loop.index, _COLUMNS, sums)

    def _put_scores(
        self, case: RowCase, head: Head, block: Block, at: ir.Value, lanes: int, sums: Sequence[ir.Value]
    ) -> None:
        """Scale, cap and mask a vector of scores of each row, and keep them; those of no key are -inf."""
        k, kernel = self.k, self.kernel
        key = k.ir.add(block.first, at)
        exist = None if self._has_whole_panels else lanes_below(k, key, k.dim(self.keys), lanes)
        lowest = ir.Constant(sums[0].type, [-math.inf] * lanes)
        for i, value in enumerate(sums):
            query = k.ir.add(case.start, k.i64(i))
            value = k.ir.fmul(value, ir.Constant(value.type, [kernel.scale] * lanes))
            if kernel.softcap:
                cap = ir.Constant(value.type, [kernel.softcap] * lanes)
                value = k.ir.fmul(cap, arithmetic.unary(k, "tanh", self.dtype, k.ir.fdiv(value, cap)))
            if kernel.masked:
                value = self._masked(value, head, query, key, lanes, exist)
            if kernel.causal:
                limit = k.ir.add(k.ir.add(query, k.dim(self.keys - self.queries)), k.i64(1))
                value = k.ir.select(lanes_below(k, key, limit, lanes), value, lowest)
            if exist is not None:
                value = k.ir.select(exist, value, lowest)
            self._put(value, self.scores, k.ir.add(at, k.i64(i * self.block)))

    @property
    def _has_whole_panels(self) -> bool:
        return isinstance(self.keys, int) and self.keys % self.width == 0

    def _masked(
        self, value: ir.Value, head: Head, query: ir.Value, key: ir.Value, lanes: int, exist: ir.Value | None
    ) -> ir.Value:
        k, dtype = self.k, self.kernel.slots[3].dtype
        bound = dict(zip((*self.axes, self.key_axis), (head.batch, head.head, query, key)))
        scope = Values(k, self.kernel.slots, bound, vector=self.key_axis, width=lanes, mask=exist)
        mask = scope.vectorised(load(3, dtype, tuple(map(axis, bound))))
        if dtype is DType.BOOL:
            return k.ir.select(mask, value, ir.Constant(value.type, [-math.inf] * lanes))
        return k.ir.fadd(value, widen(k, mask, dtype, self.dtype))

    # -- softmax --------------------------------------------------------------------------------------------------

    def _softmax(self, case: RowCase, number: ir.Value, block: Block) -> None:
        """exp(score - maximum) in place of each score; the running maximum, total and sums of each row."""
        k = self.k
        with k.loop(0, case.size) as row:
            start = k.ir.mul(row.index, k.i64(self.block))
            state = k.ir.add(k.ir.mul(number, k.i64(self.rows_each)), row.index)
            highest = self._row_maximum(start, block)
            before = None
            if not self.is_single:
                before = self._get(self.maxima, state, self.element)
                highest = k.ir.select(k.ir.fcmp_ordered(">", before, highest), before, highest)
                self._put(highest, self.maxima, state)
            nothing = k.ir.fcmp_ordered("==", highest, ir.Constant(self.element, -math.inf))
            shift = k.ir.select(nothing, ir.Constant(self.element, 0.0), highest)
            total = self._exponentials(start, block, shift)
            if before is not None:
                decay = arithmetic.unary(k, "exp", self.dtype, k.ir.fsub(before, shift))
                total = k.ir.fadd(total, k.ir.fmul(decay, self._get(self.totals, state, self.element)))
                self._decay(state, decay)
            self._put(total, self.totals, state)

    def _row_maximum(self, start: ir.Value, block: Block) -> ir.Value:
        k = self.k
        with k.loop(0, block.count, self.lanes, carried=[self.lowest]) as loop:
            score = self._get(self.scores, k.ir.add(start, loop.index), self.vector)
            loop.next = [k.ir.select(k.ir.fcmp_ordered(">", score, loop.carried[0]), score, loop.carried[0])]
        return across_lanes(k, "max", self.dtype, loop.results[0])

    def _exponentials(self, start: ir.Value, block: Block, shift: ir.Value) -> ir.Value:
        k = self.k
        shifts = k.splat(shift, self.lanes)
        with k.loop(0, block.count, self.lanes, carried=[ir.Constant(self.vector, None)]) as loop:
            at = k.ir.add(start, loop.index)
            value = k.ir.fsub(self._get(self.scores, at, self.vector), shifts)
            value = arithmetic.unary(k, "exp", self.dtype, value)
            self._put(value, self.scores, at)
            loop.next = [k.ir.fadd(loop.carried[0], value)]
        return across_lanes(k, "sum", self.dtype, loop.results[0])

    def _decay(self, state: ir.Value, factor: ir.Value) -> None:
        k = self.k
        factors = k.splat(factor, self.lanes)
        for at in range(0, self.row, self.lanes):
            place = k.ir.add(k.ir.mul(state, k.i64(self.row)), k.i64(at))
            self._put(k.ir.fmul(factors, self._get(self.sums, place, self.vector)), self.sums, place)

    # -- values ---------------------------------------------------------------------------------------------------

    def _times_values(self, case: RowCase, number: ir.Value, head: Head, block: Block) -> None:
        k, slot = self.k, self.v_slot
        values = self._at(head.v, block.first, slot.strides[2], slot.dtype)
        level = Level(block.count if not self.is_single else self.keys, 1, slot.strides[2])
        state = k.ir.mul(number, k.i64(self.rows_each * self.row))
        for at in range(0, self.row, self.width):
            masks = self._value_masks(at)
            tile = Tile(
                case.size, len(masks), self.lanes, 4, self.block, slot.strides[3], (level,),
                self.dtype, slot.dtype, self.dtype,
            )  # fmt: skip
            places = [
                k.ir.add(state, k.i64(i * self.row + at + v * self.lanes))
                for i in range(case.size)
                for v in range(len(masks))
            ]
            start = None if self.is_single else [self._get(self.sums, p, self.vector) for p in places]
            column = k.address(values, scaled(k, k.i64(at), slot.strides[3]), storage_type(slot.dtype))
            for place, total in zip(places, accumulate(k, tile, self.scores, column, masks, start)):
                self._put(total, self.sums, place)

    def _value_masks(self, start: int) -> list[ir.Value | None]:
        """For each vector of columns from `start` that exists, which of its lanes do."""
        masks: list[ir.Value | None] = []
        for at in range(start, min(start + self.width, self.row), self.lanes):
            left = self.value_size - at
            lanes = ir.VectorType(I1, self.lanes)
            masks.append(None if left >= self.lanes else ir.Constant(lanes, [int(i < left) for i in range(self.lanes)]))
        return masks

    def _finish(self, case: RowCase, number: ir.Value, head: Head) -> None:
        """out = sums / total, zeros where no key was seen."""
        k = self.k
        first = case.first if case.first is not None else k.i64(0)
        with k.loop(first, case.size) as loop:
            state = k.ir.add(k.ir.mul(number, k.i64(self.rows_each)), loop.index)
            total = self._get(self.totals, state, self.element)
            one, zero = ir.Constant(self.element, 1.0), ir.Constant(self.element, 0.0)
            total = k.ir.select(k.ir.fcmp_ordered("==", total, zero), one, total)
            factor = k.splat(k.ir.fdiv(one, total), self.lanes)
            query = k.ir.add(case.start, loop.index)
            for at in range(0, self.row, self.lanes):
                place = k.ir.add(k.ir.mul(state, k.i64(self.row)), k.i64(at))
                value = k.ir.fmul(factor, self._get(self.sums, place, self.vector))
                bound = dict(zip((*self.axes, self.value_axis), (head.batch, head.head, query, k.i64(at))))
                scope = Values(
                    k, self.kernel.slots, bound, vector=self.value_axis, width=self.lanes,
                    mask=self._value_masks(at)[0], accumulators=(value,),
                )  # fmt: skip
                scope.store(Store(self.out, tuple(map(axis, bound)), acc(0, self.dtype)))

    # -- memory ---------------------------------------------------------------------------------------------------

    def _at(self, base: ir.Value, count: ir.Value, step: Dim, dtype: DType) -> ir.Value:
        return self.k.address(base, scaled(self.k, count, step), storage_type(dtype))

    def _get(self, base: ir.Value, at: ir.Value, kind: ir.Type) -> ir.Value:
        return self.k.load(self.k.address(base, at, self.element), kind, self.dtype.size_bytes)

    def _put(self, value: ir.Value, base: ir.Value, at: ir.Value) -> None:
        self.k.ir.store(value, self.k.address(base, at, self.element), align=self.dtype.size_bytes)


def _span(block: Block) -> tuple[ir.Value, ir.Value]:
    return block.first, block.count
