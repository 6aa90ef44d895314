"""The time loop of a recurrent layer: projections ahead, then step after step, for one direction of a few sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.task import RecurrentTask
from burnish.targets.cpu.builder import F32, F64, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.real import Real
from burnish.targets.cpu.recurrent.cell import Cell, Gates
from burnish.targets.cpu.recurrent.layout import Layout, rounds_states
from burnish.targets.cpu.recurrent.memory import Operands
from burnish.targets.cpu.recurrent.round_states import Codes

_STRAIGHT_LINE = 128  # multiply-adds that are written out rather than looped over


class Sequences:
    """Writes the code of one unit: `rows` sequences from batch index `row` on, in one direction."""

    def __init__(
        self,
        b: KernelBuilder,
        kernel: RecurrentTask,
        shape: Layout,
        weights: tuple[ir.Value, ir.Value],
        direction: int,
        row: ir.Value,
    ) -> None:
        self.b, self.kernel, self.shape, self.direction, self.row = b, kernel, shape, direction, row
        self.element = F64 if shape.accumulator is DType.F64 else F32
        self.size = shape.accumulator.size_bytes
        self.vector = vector_type(self.element, shape.width)
        self.operands = Operands(b, kernel, shape)
        self.cell = Cell(b, kernel, shape, direction, self.operands)
        self.is_reverse = kernel.direction == "reverse" or direction == 1
        self.weights = [
            self._at(w, direction * shape.packed_elements(depth))
            for w, depth in zip(weights, (shape.inputs, shape.hidden))
        ]
        self.time: Dim = kernel.slots[0].shape[0]
        self.projected = b.scratch
        state = shape.steps * shape.rows * shape.row_elements
        one = shape.rows * shape.padded
        self.h, self.h_next, self.c, self.reset, self.update = (self._at(b.scratch, state + n * one) for n in range(5))
        self.rounded = self.reset  # an LSTM has no reset gate

    def run(self) -> None:
        """Initial states, all steps, final states."""
        b = self.b
        for r in range(self.shape.rows):
            self._each_block(lambda j, r=r: self._initial(r, j))  # type: ignore[misc]
        total = b.dim(self.time)
        with b.loop(0, total, self.shape.steps, carried=(self.h, self.h_next)) as ahead:
            count = b.minimum(b.i64(self.shape.steps), b.ir.sub(total, ahead.index))
            if isinstance(self.time, int) and self.time % self.shape.steps == 0:
                count = b.i64(self.shape.steps)
            self._project(ahead.index, count)
            with b.loop(0, count, carried=ahead.carried) as step:
                before, after = step.carried
                self._step(b.ir.add(ahead.index, step.index), step.index, before, after)
                step.next = [after, before]
            ahead.next = step.results
        last = ahead.results[0]
        for name, place in (("y_h", last), ("y_c", self.c)):
            if self.operands.has(name):
                for r in range(self.shape.rows):
                    self._each_block(lambda j, r=r, n=name, p=place: self._final(n, p, r, j))  # type: ignore[misc]

    # -- states ---------------------------------------------------------------------------------------------------

    def _initial(self, r: int, block: ir.Value) -> None:
        zero = ir.Constant(self.vector, None)
        for name, place in (("initial_h", self.h), ("initial_c", self.c)):
            value = zero
            if self.operands.has(name):
                value = self.operands.row(name, [self.b.i64(self.direction), self._batch(r)], block)
            self._put(place, r, block, value)

    def _final(self, name: str, place: ir.Value, r: int, block: ir.Value) -> None:
        value = self._get(place, r, block)
        self.operands.write_row(name, [self.b.i64(self.direction), self._batch(r)], block, value)

    # -- projections ----------------------------------------------------------------------------------------------

    def _project(self, start: ir.Value, count: ir.Value) -> None:
        """x W + bias of `count` steps, for all gates."""
        b, rows = self.b, self.shape.rows
        group = min(4, self.shape.steps) if rows == 1 else 1

        def block(j: ir.Value) -> None:
            whole = count
            if group > 1:
                whole = b.ir.mul(b.ir.udiv(count, b.i64(group)), b.i64(group))
                if isinstance(count, ir.Constant):
                    whole = b.i64(count.constant // group * group)
                with b.loop(0, whole, group) as loop:
                    self._project_steps(start, [b.ir.add(loop.index, b.i64(n)) for n in range(group)], j)
            is_done = (
                isinstance(count, ir.Constant) and isinstance(whole, ir.Constant) and whole.constant == count.constant
            )
            if group == 1 or not is_done:
                with b.loop(whole if group > 1 else 0, count) as loop:
                    self._project_steps(start, [loop.index], j)

        self._each_block(block)

    def _project_steps(self, start: ir.Value, steps: Sequence[ir.Value], block: ir.Value) -> None:
        """All pairs (step, row), side by side."""
        b, shape = self.b, self.shape
        every = list(range(shape.gates))
        sources, totals = [], []
        for s in steps:
            t = self._time(b.ir.add(start, s))
            for r in range(shape.rows):
                sources.append(self.operands.input_at(t, self._batch(r)))
                totals.append(dict(zip(every, self.cell.input_bias(block))))
        totals = self._accumulate(totals, sources, self.weights[0], shape.inputs, block, is_input=True)
        for n, gates in enumerate(totals):
            step, r = steps[n // shape.rows], n % shape.rows
            for g, value in gates.items():
                b.ir.store(value, self._projection(step, r, block, g), align=self.size)

    def _projection(self, step: ir.Value, r: int, block: ir.Value, gate: int) -> ir.Value:
        b, shape = self.b, self.shape
        offset = b.ir.mul(step, b.i64(shape.rows * shape.row_elements))
        offset = b.ir.add(offset, b.ir.mul(block, b.i64(shape.gates * shape.width)))
        offset = b.ir.add(offset, b.i64(r * shape.row_elements + gate * shape.width))
        return b.address(self.projected, offset, self.element)

    # -- a step ---------------------------------------------------------------------------------------------------

    def _step(self, position: ir.Value, step: ir.Value, before: ir.Value, after: ir.Value) -> None:
        """One step: from the states before it to the states after it."""
        t = self._time(position)
        if self.cell.needs_reset_first:
            self._each_block(lambda j: self._reset_gates(step, before, j))
        if rounds_states(self.kernel):
            self._round(before)
        self._each_block(lambda j: self._finish_block(t, step, before, after, j))

    def _round(self, state: ir.Value) -> None:
        """The hidden states as codes of 8 bits stand for them; one range for all sequences."""
        zero, rows = ir.Constant(self.vector, None), range(self.shape.rows)
        with self.b.loop(0, self.shape.blocks, carried=(zero, zero)) as loop:
            low, high = (Real(self.b, v) for v in loop.carried)
            for value in (Real(self.b, self._get(state, r, loop.index)) for r in rows):
                low, high = value.at_most(low), value.at_least(high)
            loop.next = [low.value, high.value]
        codes = Codes.of_range(self.b, loop.results[0], loop.results[1])

        def block(j: ir.Value) -> None:
            for r in rows:
                self._put(self.rounded, r, j, codes.nearest(self._get(state, r, j)))

        self._each_block(block)

    def _reset_gates(self, step: ir.Value, before: ir.Value, block: ir.Value) -> None:
        """For a GRU that resets before the product: compute z and r * h of every hidden unit first."""
        for r, gates in enumerate(self._gates(step, before, block, [0, 1])):
            update, reset = self.cell.update_and_reset(gates)
            self._put(self.update, r, block, update)
            self._put(self.reset, r, block, self.b.ir.fmul(reset, self._get(before, r, block)))

    def _finish_block(self, t: ir.Value, step: ir.Value, before: ir.Value, after: ir.Value, block: ir.Value) -> None:
        b = self.b
        if self.cell.needs_reset_first:
            every = self._gates(step, self.reset, block, [2])
            for r, gates in enumerate(every):
                gates.sums[0] = self._get(self.update, r, block)
        else:
            source = self.rounded if rounds_states(self.kernel) else before
            every = self._gates(step, source, block, list(range(self.shape.gates)))
        for r, gates in enumerate(every):
            h, c = self._get(before, r, block), self._get(self.c, r, block)
            new_h, new_c = self.cell.finish(gates, h, c, block)
            output = new_h
            if self.operands.has("lengths"):
                lives = b.ir.icmp_signed("<", t, self.operands.length(self._batch(r)))
                output = b.ir.select(lives, new_h, ir.Constant(self.vector, None))
                new_h, new_c = b.ir.select(lives, new_h, h), b.ir.select(lives, new_c, c)
            self._put(after, r, block, new_h)
            if self.kernel.kind == "LSTM":
                self._put(self.c, r, block, new_c)
            if self.operands.has("y"):
                self.operands.write_row("y", [t, b.i64(self.direction), self._batch(r)], block, output)

    def _gates(self, step: ir.Value, state: ir.Value, block: ir.Value, which: Sequence[int]) -> list[Gates]:
        """For each row: the projections plus (state R) of some gates. For a GRU's candidate the two are kept apart."""
        b, shape = self.b, self.shape
        totals: list[dict[int, ir.Value]] = []
        every: list[Gates] = []
        for r in range(shape.rows):
            projected = {g: b.load(self._projection(step, r, block, g), self.vector, self.size) for g in which}
            every.append(Gates({}, projected))
            totals.append({g: self.cell.start(g, projected[g], block) for g in which})
        sources = [(self._at(state, r * shape.padded), b.i64(1)) for r in range(shape.rows)]
        for gates, sums in zip(every, self._accumulate(totals, sources, self.weights[1], shape.hidden, block)):
            gates.sums.update(sums)
        return every

    def _accumulate(
        self,
        totals: list[dict[int, ir.Value]],
        sources: Sequence[tuple[ir.Value, ir.Value]],
        weights: ir.Value,
        depth: int,
        block: ir.Value,
        is_input: bool = False,
    ) -> list[dict[int, ir.Value]]:
        """totals[row][gate] += sum over k of source[row][k] * weights[block][k][gate]"""
        b, shape = self.b, self.shape
        stride = shape.gates * shape.width
        base = b.address(weights, b.ir.mul(block, b.i64(depth * stride)), self.element)
        gates = list(totals[0])
        chains = max(1, min(4, depth, 8 // max(1, len(totals) * len(gates))))
        zero = ir.Constant(self.vector, None)
        flat = [t[g] for t in totals for g in gates] + [zero] * (len(totals) * len(gates) * (chains - 1))
        count = len(totals) * len(gates)

        def at(k: ir.Value, chain: int, values: list[ir.Value]) -> list[ir.Value]:
            row = b.address(base, b.ir.mul(k, b.i64(stride)), self.element)
            vectors = [b.load(self._at(row, g * shape.width), self.vector, self.size) for g in gates]
            following = list(values)
            for n, (place, step) in enumerate(sources):
                offset = b.ir.mul(k, step)
                scalar = self.operands.input_element(place, offset) if is_input else self._scalar(place, offset)
                spread = b.splat(scalar, shape.width)
                for m, vector in enumerate(vectors):
                    number = chain * count + n * len(gates) + m
                    following[number] = b.multiply_add(spread, vector, values[number])
            return following

        unroll = chains * max(1, 4 // chains)
        whole = depth // unroll * unroll if depth * count > _STRAIGHT_LINE else 0
        if whole:
            with b.loop(0, whole, unroll, carried=flat) as loop:
                values = loop.carried
                for u in range(unroll):
                    values = at(b.ir.add(loop.index, b.i64(u)), u % chains, values)
                loop.next = values
            flat = loop.results
        for k in range(whole, depth):
            flat = at(b.i64(k), k % chains, flat)
        for chain in range(1, chains):
            flat[:count] = [b.ir.fadd(x, y) for x, y in zip(flat, flat[chain * count : (chain + 1) * count])]
        return [dict(zip(gates, flat[n * len(gates) :])) for n in range(len(totals))]

    # -- places ---------------------------------------------------------------------------------------------------

    def _each_block(self, body: Callable[[ir.Value], None]) -> None:
        """body(block) for every block of hidden units."""
        if self.shape.blocks == 1:
            body(self.b.i64(0))
            return
        with self.b.loop(0, self.shape.blocks) as loop:
            body(loop.index)

    def _time(self, position: ir.Value) -> ir.Value:
        if not self.is_reverse:
            return position
        return self.b.ir.sub(self.b.ir.sub(self.b.dim(self.time), self.b.i64(1)), position)

    def _batch(self, r: int) -> ir.Value:
        return self.b.ir.add(self.row, self.b.i64(r)) if r else self.row

    def _at(self, base: ir.Value, elements: int) -> ir.Value:
        return self.b.address(base, elements, self.element)

    def _scalar(self, base: ir.Value, offset: ir.Value) -> ir.Value:
        return self.b.load(self.b.address(base, offset, self.element), self.element, self.size)

    def _state(self, base: ir.Value, r: int, block: ir.Value) -> ir.Value:
        offset = self.b.ir.add(self.b.ir.mul(block, self.b.i64(self.shape.width)), self.b.i64(r * self.shape.padded))
        return self.b.address(base, offset, self.element)

    def _get(self, base: ir.Value, r: int, block: ir.Value) -> ir.Value:
        return self.b.load(self._state(base, r, block), self.vector, self.size)

    def _put(self, base: ir.Value, r: int, block: ir.Value, value: ir.Value) -> None:
        self.b.ir.store(value, self._state(base, r, block), align=self.size)
