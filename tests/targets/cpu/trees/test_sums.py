"""Sums over trees: what is added to which target, in which order, where a kernel keeps the leaves that it found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import TreesTask
from burnish.targets.cpu.builder import F32, KernelBuilder, KernelContext
from burnish.targets.cpu.trees.sums import Sums
from tests.targets.cpu.run_kernel import TARGETS, Compiled

LEAVES = np.array([1e8, 3.0, -1e8, 0.5, -2.0], np.float32)


def sums_of(targets: list[int], count: int, combine: str = "sum", by_tree: bool = False) -> list[float]:
    """The sums of one row that found LEAVES, a leaf a tree."""
    arrays: list[Any] = [LEAVES, np.zeros((1, 4), np.int32), np.array(targets, np.int32), np.full(count, 7, np.float32)]
    inputs = [Slot(DType.of(a.dtype), a.shape, (1,)) for a in arrays[:3]]
    slots = (*inputs, Slot(DType.F32, (1, count), (count, 1)))
    kernel, trees = TreesTask(slots, len(LEAVES), combine, ("LEQ",), False, False), len(LEAVES)

    def emit(context: KernelContext) -> ir.Function:
        b = KernelBuilder(context, "sums", len(slots))
        sums, row, (first, last) = Sums(b, kernel), b.i64(0), (b.i64(n) for n in (0, trees))
        sums.clear(row)
        if by_tree:
            with b.loop(first, last) as tree:
                sums.add_tree(tree.index, row, b.i64(1), lambda number: b.address(b.slots[0], tree.index, F32))
        else:
            sums.add_trees(row, first, last, lambda number: b.address(b.slots[0], number, F32))
        return b.finish()

    Compiled(emit, TARGETS[0])(arrays)
    found: list[float] = arrays[-1].tolist()
    return found


@pytest.mark.parametrize("by_tree", [False, True])
def test_each_tree_adds_to_its_target_in_the_order_of_the_trees(by_tree: bool) -> None:
    assert sums_of([0], 1, by_tree=by_tree) == [-1.5], "1e8 + 3 is 1e8 in f32: the exact sum is 1.5"
    assert sums_of([1], 2, by_tree=by_tree) == [0.0, -1.5]
    assert sums_of([2, 0, 2, 2, 0], 3, by_tree=by_tree) == [1.0, 0.0, 0.5]


@pytest.mark.parametrize("by_tree", [False, True])
def test_the_least_and_the_largest_leaf(by_tree: bool) -> None:
    assert sums_of([0], 1, "min", by_tree) == [-1e8] and sums_of([0], 1, "max", by_tree) == [1e8]
