"""The sums of an ensemble over its trees, as LLVM IR: what a leaf adds to which target."""

from __future__ import annotations

import math
from collections.abc import Callable

from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.task import TreesTask
from burnish.targets.cpu.builder import F32, F64, I32, I64, KernelBuilder


class Sums:
    """sums[row, target], cleared and added to. `found`: the address of the first words of a leaf."""

    def __init__(self, b: KernelBuilder, kernel: TreesTask) -> None:
        self.b, self.kernel, self.out = b, kernel, kernel.slots[-1]
        self.type = F64 if self.out.dtype is DType.F64 else F32
        self.targets, self.place = b.slots[2], b.slots[-1]
        self.has_one_target = not kernel.listed and kernel.slots[2].shape[0] == 1

    def clear(self, row: ir.Value) -> None:
        """The sums of one row, before any tree."""
        start = {"sum": 0.0, "min": math.inf, "max": -math.inf}[self.kernel.combine]
        with self.b.loop(0, self.out.shape[1]) as target:
            self._store(row, target.index, ir.Constant(self.type, start))

    def add_tree(self, tree: ir.Value, first: ir.Value, last: ir.Value, found: Callable[[ir.Value], ir.Value]) -> None:
        """Add what the rows from `first` to `last` found in one tree."""
        b = self.b
        target = None if self.kernel.listed else self._target(tree)
        with b.loop(first, last) as row:
            at = found(b.ir.sub(row.index, first))
            if target is None:
                self._add_list(row.index, at)
            else:
                self._add(row.index, target, self._weight(at))

    def add_trees(self, row: ir.Value, first: ir.Value, last: ir.Value, found: Callable[[ir.Value], ir.Value]) -> None:
        """Add what one row found in the trees from `first` to `last`."""
        b = self.b
        if not self.has_one_target:
            with b.loop(first, last) as tree:
                at = found(b.ir.sub(tree.index, first))
                if self.kernel.listed:
                    self._add_list(row, at)
                else:
                    self._add(row, self._target(tree.index), self._weight(at))
            return
        place = self._place(row, self._target(first))
        with b.loop(first, last, carried=[self._load(place)]) as tree:
            weight = self._weight(found(b.ir.sub(tree.index, first)))
            tree.next = [self._combined(tree.carried[0], weight)]
        b.ir.store(tree.results[0], place, align=self.out.dtype.size_bytes)

    def _target(self, tree: ir.Value) -> ir.Value:
        place = self.targets if self.has_one_target else self.b.address(self.targets, tree, I32)
        return self.b.ir.sext(self.b.load(place, I32, 4), I64)

    def _weight(self, found: ir.Value) -> ir.Value:
        return self.b.load(found, self.type, self.out.dtype.size_bytes)

    def _add_list(self, row: ir.Value, found: ir.Value) -> None:
        """Add all weights of a leaf, whose number was found."""
        b, size = self.b, self.out.dtype.size_bytes
        starts, weights = b.slots[3], b.slots[4]
        leaf = b.ir.sext(b.load(found, I32, 4), I64)
        first, last = (b.ir.sext(b.load(b.address(starts, b.ir.add(leaf, b.i64(n)), I32), I32, 4), I64) for n in (0, 1))
        with b.loop(first, last) as pair:
            target = b.load(b.address(self.targets, pair.index, I32), I32, 4)
            weight = b.load(b.address(weights, pair.index, self.type), self.type, size)
            self._add(row, b.ir.sext(target, I64), weight)

    def _add(self, row: ir.Value, target: ir.Value, weight: ir.Value) -> None:
        place = self._place(row, target)
        self.b.ir.store(self._combined(self._load(place), weight), place, align=self.out.dtype.size_bytes)

    def _combined(self, before: ir.Value, weight: ir.Value) -> ir.Value:
        b = self.b.ir
        if self.kernel.combine == "sum":
            return b.fadd(before, weight)
        is_new = b.fcmp_ordered("<" if self.kernel.combine == "min" else ">", weight, before)
        return b.select(is_new, weight, before)

    def _place(self, row: ir.Value, target: ir.Value) -> ir.Value:
        b, strides = self.b, self.out.strides
        offset = b.ir.add(b.ir.mul(row, b.dim(strides[0])), b.ir.mul(target, b.dim(strides[1])))
        return b.address(self.place, offset, self.type)

    def _load(self, place: ir.Value) -> ir.Value:
        return self.b.load(place, self.type, self.out.dtype.size_bytes)

    def _store(self, row: ir.Value, target: ir.Value, value: ir.Value) -> None:
        self.b.ir.store(value, self._place(row, target), align=self.out.dtype.size_bytes)
