"""Walks through trees, several side by side, as LLVM IR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.task import TreesTask
from burnish.ops.language.ensemble import FEATURE_BITS, MODE_MASK, MODES, NAN_SHIFT, RECORD_BYTES
from burnish.targets.cpu.builder import F32, F64, I8, I32, I64, KernelBuilder

_WORD_BYTES = 4
_TYPES = {DType.F32: F32, DType.F64: F64, DType.I32: I32, DType.I64: I64}
_COMPARE = {"LEQ": "<=", "LT": "<", "GTE": ">=", "GT": ">", "EQ": "==", "NEQ": "!="}


@dataclass(frozen=True)
class Walks:
    """Walks from `first` to `last`, numbered in steps of RECORD_BYTES; all that comes of a walk is at table[number].

    table  the first RECORD_BYTES / 2 bytes of an entry get the first words of the leaf
    start  the place of a walk's first node, in bytes from the first record
    line   the row that a walk asks
    """

    first: ir.Value
    last: ir.Value
    table: ir.Value
    start: Callable[[ir.Value], ir.Value]
    line: Callable[[ir.Value], ir.Value]

    def entry(self, b: KernelBuilder, number: ir.Value) -> ir.Value:
        return b.address(self.table, number, I8)


@dataclass(frozen=True)
class _Step:
    threshold: ir.Value
    child: ir.Value
    is_leaf: ir.Value


class Walker:
    """Does walks through an ensemble's trees."""

    def __init__(self, b: KernelBuilder, kernel: TreesTask) -> None:
        self.b, self.kernel = b, kernel
        self.x, self.nodes = kernel.slots[0], b.slots[1]
        is_wide = kernel.slots[-1].dtype is DType.F64
        self.type, self.size = (F64, 8) if is_wide else (F32, 4)

    def offset(self, row: ir.Value) -> ir.Value:
        """Where a row of x begins, in bytes from the first one."""
        step = self.x.strides[0] * self.x.dtype.size_bytes
        return self.b.ir.mul(row, self.b.dim(step), flags=("nsw",))

    def line(self, offset: ir.Value) -> ir.Value:
        """The address of a row of x."""
        return self.b.address(self.b.slots[0], offset, I8)

    def walk(self, walks: Walks, lanes: int) -> None:
        """All walks, `lanes` of them at once: one that ends makes room for the next, until all have begun.

        Up to `lanes` walks after the last may be begun too.
        """
        b, stride = self.b, self.b.i64(RECORD_BYTES)
        numbers = [b.ir.add(walks.first, b.i64(n * RECORD_BYTES)) for n in range(lanes)]
        starts, following = [walks.start(n) for n in numbers], b.ir.add(walks.first, b.i64(lanes * RECORD_BYTES))
        before, turn, after = b.ir.block, *(b.function.append_basic_block(name) for name in ("walk", "begun"))
        b.ir.cbranch(b.ir.icmp_signed("<", following, walks.last), turn, after)
        b.ir.position_at_end(turn)
        fresh = b.ir.phi(I64)
        places, current = [b.ir.phi(I64) for _ in numbers], [b.ir.phi(I64) for _ in numbers]
        more, moved, renumbered = fresh, [], []
        for place, number in zip(places, current):
            step = self._step(place, walks.line(number))
            b.ir.store(step.threshold, walks.entry(b, number), align=self.size)
            moved.append(b.choose(step.is_leaf, walks.start(more), step.child))
            renumbered.append(b.choose(step.is_leaf, more, number))
            more = b.choose(step.is_leaf, b.ir.add(more, stride, flags=("nsw",)), more)
        for phi, first, then in zip(
            [fresh, *places, *current], [following, *starts, *numbers], [more, *moved, *renumbered]
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(then, turn)
        b.ir.cbranch(b.ir.icmp_signed("<", more, walks.last), turn, after)
        b.ir.position_at_end(after)
        self._finish(walks, self._either(starts, moved, before, turn), self._either(numbers, renumbered, before, turn))

    def _finish(self, walks: Walks, starts: Sequence[ir.Value], numbers: Sequence[ir.Value]) -> None:
        """Walks that have begun, to their ends."""
        b = self.b
        lines = [walks.line(n) for n in numbers]
        before, turn, after = b.ir.block, *(b.function.append_basic_block(name) for name in ("rest", "leaves"))
        b.ir.branch(turn)
        b.ir.position_at_end(turn)
        places = [b.ir.phi(I64) for _ in starts]
        steps = [self._step(place, line) for place, line in zip(places, lines)]
        # a sum, since LLVM turns an `or` into one branch a lane, and each may be mispredicted
        at_leaf = b.i64(0)
        for place, start, step in zip(places, starts, steps):
            at_leaf = b.ir.add(at_leaf, b.ir.zext(step.is_leaf, I64))
            place.add_incoming(start, before)
            place.add_incoming(b.choose(step.is_leaf, place, step.child), turn)
        b.ir.cbranch(b.ir.icmp_signed("<", at_leaf, b.i64(len(steps))), turn, after)
        b.ir.position_at_end(after)
        for number, step in zip(numbers, steps):
            b.ir.store(step.threshold, walks.entry(b, number), align=self.size)

    def _either(
        self, first: Sequence[ir.Value], then: Sequence[ir.Value], before: ir.Block, turn: ir.Block
    ) -> list[ir.Value]:
        merged = [self.b.ir.phi(I64) for _ in first]
        for phi, a, c in zip(merged, first, then):
            phi.add_incoming(a, before)
            phi.add_incoming(c, turn)
        return merged

    def _step(self, place: ir.Value, line: ir.Value) -> _Step:
        """The answer to a node's question. At a leaf, `child` means nothing."""
        b, kernel = self.b, self.kernel
        record = b.address(self.nodes, place, I8)
        threshold = b.load(record, self.type, _WORD_BYTES)
        question, child = (self._word(record, self.size // _WORD_BYTES + n) for n in (0, 1))
        feature = question
        if len(kernel.modes) > 1 or kernel.tracks_missing:
            feature = b.ir.and_(question, ir.Constant(I32, (1 << FEATURE_BITS) - 1))
        value = self._feature(line, b.ir.zext(feature, I64))
        first = b.ir.zext(child, I64)
        second = b.ir.add(first, b.i64(RECORD_BYTES), flags=("nsw",))
        following = b.choose(self._is_true(question, value, threshold), first, second)
        if kernel.tracks_missing:
            of_nan = b.ir.add(first, b.ir.zext(b.ir.lshr(question, ir.Constant(I32, NAN_SHIFT)), I64), flags=("nsw",))
            following = b.choose(b.ir.fcmp_unordered("uno", value, value), of_nan, following)
        return _Step(threshold, following, b.ir.icmp_signed("<", child, ir.Constant(I32, 0)))

    def _is_true(self, question: ir.Value, value: ir.Value, threshold: ir.Value) -> ir.Value:
        b, modes = self.b, self.kernel.modes
        found = self._compare(modes[0], value, threshold)
        if len(modes) > 1:
            mode = b.ir.and_(b.ir.lshr(question, ir.Constant(I32, FEATURE_BITS)), ir.Constant(I32, MODE_MASK))
            for name in modes[1:]:
                is_mode = b.ir.icmp_unsigned("==", mode, ir.Constant(I32, MODES.index(name)))
                found = b.choose(is_mode, self._compare(name, value, threshold), found)
        return found

    def _compare(self, mode: str, value: ir.Value, threshold: ir.Value) -> ir.Value:
        """Compare as C does."""
        compare = self.b.ir.fcmp_unordered if mode == "NEQ" else self.b.ir.fcmp_ordered
        return compare(_COMPARE[mode], value, threshold)

    def _word(self, record: ir.Value, word: int) -> ir.Value:
        return self.b.load(self.b.address(record, word, I32), I32, _WORD_BYTES)

    def _feature(self, line: ir.Value, feature: ir.Value) -> ir.Value:
        """x[row, feature], in the type of the thresholds."""
        b, dtype = self.b, self.x.dtype
        at = b.ir.mul(feature, b.dim(self.x.strides[1]), flags=("nsw",))
        kind = _TYPES[dtype]
        value = b.load(b.address(line, at, kind), kind, dtype.size_bytes)
        return value if dtype.is_float else b.ir.sitofp(value, self.type)
