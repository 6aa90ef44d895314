"""Walks through trees, several side by side, as LLVM IR."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.task import TreesTask
from burnish.ops.language.ensemble import FEATURE_BITS, MODES
from burnish.targets.cpu.builder import F32, F64, I32, I64, KernelBuilder

_WORD_BYTES = 4
_TYPES = {DType.F32: F32, DType.F64: F64, DType.I32: I32, DType.I64: I64}
_COMPARE = {"LEQ": "<=", "LT": "<", "GTE": ">=", "GT": ">", "EQ": "==", "NEQ": "!="}


class Walk:
    """The parts that a kernel's loops use: roots, the leaves in which walks end, adding their weights to the sums."""

    def __init__(self, b: KernelBuilder, kernel: TreesTask) -> None:
        self.b, self.kernel = b, kernel
        self.x, self.out = kernel.slots[0], kernel.slots[-1]
        self.type = F64 if self.out.dtype is DType.F64 else F32
        count, words = kernel.slots[1].shape
        (trees,) = kernel.slots[2].shape
        assert isinstance(words, int) and isinstance(trees, int)
        self.words, self.trees, self.count = words, trees, count
        self.first_child = 3 if self.type is F64 else 2  # word of the record
        names = ["x", "nodes", "roots", *["starts", "targets", "weights"] * kernel.listed, "out"]
        self.place = dict(zip(names, b.slots))

    def root(self, tree: ir.Value) -> ir.Value:
        """The root node of a tree."""
        return self.b.load(self.b.address(self.place["roots"], tree, I32), I32, 4)

    def clear(self, row: ir.Value) -> None:
        """The sums of one row, before any tree."""
        start = {"sum": 0.0, "min": math.inf, "max": -math.inf}[self.kernel.combine]
        with self.b.loop(0, self.out.shape[1]) as target:
            self._store(row, target.index, ir.Constant(self.type, start))

    def leaves(self, roots: Sequence[ir.Value], rows: Sequence[ir.Value]) -> list[ir.Value]:
        """The leaves at which the walks from these nodes with these rows end."""
        b = self.b
        before, turn = b.ir.block, b.function.append_basic_block("walk")
        after = b.function.append_basic_block("leaves")
        lines = [self._row(r) for r in rows]
        b.ir.branch(turn)
        b.ir.position_at_end(turn)
        nodes = [b.ir.phi(I32) for _ in roots]
        for node, root in zip(nodes, roots):
            node.add_incoming(root, before)
        following = [self._step(node, line) for node, line in zip(nodes, lines)]
        # a sum, since LLVM turns an `or` into one branch a lane, and each may be mispredicted
        any_moved = b.i64(0)
        for node, n in zip(nodes, following):
            any_moved = b.ir.add(any_moved, b.ir.zext(b.ir.xor(node, n), I64))
        for node, n in zip(nodes, following):
            node.add_incoming(n, turn)
        b.ir.cbranch(b.ir.icmp_unsigned("!=", any_moved, b.i64(0)), turn, after)
        b.ir.position_at_end(after)
        return following

    def add(self, row: ir.Value, leaf: ir.Value) -> None:
        """Add a leaf's weights to a row's sums."""
        if not self.kernel.listed:
            self._combine(row, self.b.i64(0), self._word(leaf, self.b.i64(0), self.type))
            return
        b, number = self.b, self.b.ir.sext(self._word(leaf, self.b.i64(0), I32), I64)
        starts, weights = self.place["starts"], self.place["weights"]
        first, last = (
            b.ir.sext(b.load(b.address(starts, b.ir.add(number, b.i64(n)), I32), I32, 4), I64) for n in (0, 1)
        )
        size = 8 if self.type is F64 else 4
        with b.loop(first, last) as pair:
            target = b.load(b.address(self.place["targets"], pair.index, I32), I32, 4)
            weight = b.load(b.address(weights, pair.index, self.type), self.type, size)
            self._combine(row, b.ir.sext(target, I64), weight)

    def _step(self, node: ir.Value, line: ir.Value) -> ir.Value:
        """The child to which a walk goes on; both children of a leaf are the leaf itself."""
        b, kernel = self.b, self.kernel
        question = self._word(node, self.b.i64(self.first_child - 1), I32)
        feature = question
        if len(kernel.modes) > 1:
            feature = b.ir.and_(question, ir.Constant(I32, (1 << FEATURE_BITS) - 1))
        value = self._feature(line, b.ir.zext(feature, I64))
        is_true = self._is_true(question, value, self._word(node, self.b.i64(0), self.type))
        child = b.ir.sub(b.i64(1), b.ir.zext(is_true, I64))
        if kernel.tracks_missing:  # comparisons with NaN were false
            child = b.ir.add(child, b.ir.zext(b.ir.fcmp_unordered("uno", value, value), I64))
        return self._word(node, b.ir.add(child, b.i64(self.first_child)), I32)

    def _is_true(self, question: ir.Value, value: ir.Value, threshold: ir.Value) -> ir.Value:
        b, modes = self.b, self.kernel.modes
        found = self._compare(modes[0], value, threshold)
        for name in modes[1:]:
            wanted = b.ir.lshr(question, ir.Constant(I32, FEATURE_BITS))
            is_mode = b.ir.icmp_unsigned("==", wanted, ir.Constant(I32, MODES.index(name)))
            found = b.ir.select(is_mode, self._compare(name, value, threshold), found)
        return found

    def _compare(self, mode: str, value: ir.Value, threshold: ir.Value) -> ir.Value:
        """Compare as C does. If NaN has a child of its own, every comparison with NaN is false."""
        is_unordered = mode == "NEQ" and not self.kernel.tracks_missing
        compare = self.b.ir.fcmp_unordered if is_unordered else self.b.ir.fcmp_ordered
        return compare(_COMPARE[mode], value, threshold)

    def _word(self, node: ir.Value, word: ir.Value, kind: ir.Type) -> ir.Value:
        """A word of a node's record (two, for an f64)."""
        b = self.b
        at = b.ir.mul(b.ir.sext(node, I64), b.i64(self.words), flags=("nsw",))
        return b.load(b.address(self.place["nodes"], b.ir.add(at, word, flags=("nsw",)), I32), kind, _WORD_BYTES)

    def _row(self, row: ir.Value) -> ir.Value:
        """The address of a row of x."""
        b = self.b
        at = b.ir.mul(row, b.dim(self.x.strides[0]), flags=("nsw",))
        return b.address(self.place["x"], at, _TYPES[self.x.dtype])

    def _feature(self, line: ir.Value, feature: ir.Value) -> ir.Value:
        """x[row, feature], in the type of the thresholds."""
        b, dtype = self.b, self.x.dtype
        at = b.ir.mul(feature, b.dim(self.x.strides[1]), flags=("nsw",))
        kind = _TYPES[dtype]
        value = b.load(b.address(line, at, kind), kind, dtype.size_bytes)
        return value if dtype.is_float else b.ir.sitofp(value, self.type)

    def _combine(self, row: ir.Value, target: ir.Value, weight: ir.Value) -> None:
        b, before = self.b, self._load(row, target)
        if self.kernel.combine == "sum":
            self._store(row, target, b.ir.fadd(before, weight))
        else:
            is_new = b.ir.fcmp_ordered("<" if self.kernel.combine == "min" else ">", weight, before)
            self._store(row, target, b.ir.select(is_new, weight, before))

    def _sum_at(self, row: ir.Value, target: ir.Value) -> ir.Value:
        b, strides = self.b, self.out.strides
        offset = b.ir.add(b.ir.mul(row, b.dim(strides[0])), b.ir.mul(target, b.dim(strides[1])))
        return b.address(self.place["out"], offset, self.type)

    def _load(self, row: ir.Value, target: ir.Value) -> ir.Value:
        return self.b.load(self._sum_at(row, target), self.type, self.out.dtype.size_bytes)

    def _store(self, row: ir.Value, target: ir.Value, value: ir.Value) -> None:
        self.b.ir.store(value, self._sum_at(row, target), align=self.out.dtype.size_bytes)
