"""The kernel of tree ensembles: every schedule gives the same bits, and writes nothing but its sums."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import TreesTask
from burnish.ops.tree_nodes import keyed_ensemble
from burnish.target import Target
from burnish.targets.cpu.trees import template
from tests.targets.cpu.run_kernel import TARGETS, Compiled, runnable
from tests.tree_models import MODES, keyed_trees, rows

FEATURES, GUARD = 5, 16


def task(count: int, targets: int, modes: tuple[str, ...]) -> tuple[TreesTask, list[np.ndarray]]:
    attributes = keyed_trees(np.random.default_rng(0), "target", 11, 4, FEATURES, targets, modes, every_target=True)
    trees = keyed_ensemble(attributes, "target", targets, np.dtype(np.float32))
    constants = [trees.nodes, trees.targets]
    if trees.starts is not None and trees.weights is not None:
        constants += [trees.starts, trees.weights]
    arrays = [rows(np.random.default_rng(1), count, FEATURES, np.float32), *constants]
    out = np.zeros((count, targets), np.float32)
    slots = tuple(Slot(DType.of(a.dtype), a.shape, tuple(s // a.itemsize for s in a.strides)) for a in (*arrays, out))
    is_listed = trees.starts is not None
    return TreesTask(slots, trees.tree_count, "sum", trees.modes, trees.tracks_missing, is_listed), arrays


def walked(x: np.ndarray, attributes: dict, targets: int) -> np.ndarray:
    """The same by the attributes themselves, node for node, in f32 and in the trees' order."""
    compare = dict(zip(MODES, (np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal)))
    place = {key: n for n, key in enumerate(zip(attributes["nodes_treeids"], attributes["nodes_nodeids"]))}
    sums = np.zeros((len(x), targets), np.float32)
    for row, features in enumerate(x):
        for tree in sorted(set(attributes["nodes_treeids"])):
            node = place[tree, 0]
            while (mode := attributes["nodes_modes"][node]) != "LEAF":
                is_true = compare[mode](
                    features[attributes["nodes_featureids"][node]], attributes["nodes_values"][node]
                )
                side = "nodes_truenodeids" if is_true else "nodes_falsenodeids"
                node = place[tree, attributes[side][node]]
            leaf = (tree, attributes["nodes_nodeids"][node])
            for t, n, target, weight in zip(
                *(attributes[f"target_{k}"] for k in ("treeids", "nodeids", "ids", "weights"))
            ):
                if (t, n) == leaf:
                    sums[row, target] += np.float32(weight)
    return sums


@pytest.mark.parametrize("target", [t for t in TARGETS if runnable(t)], ids=str)
@pytest.mark.parametrize("count", [1, 3, 16, 50, 250])
@pytest.mark.parametrize(("targets", "modes"), [(1, ("BRANCH_LEQ",)), (1, MODES), (3, ("BRANCH_GT", "BRANCH_EQ"))])
def test_every_schedule_gives_the_sums_in_the_order_of_the_trees(
    target: Target, count: int, targets: int, modes: tuple[str, ...]
) -> None:
    kernel, arrays = task(count, targets, modes)
    attributes = keyed_trees(np.random.default_rng(0), "target", 11, 4, FEATURES, targets, modes, every_target=True)
    want = walked(arrays[0], attributes, targets)
    for schedule in template.schedules(kernel, target):
        compiled = Compiled(lambda context, s=schedule: template.emit(context, kernel, s, "trees"), target)
        padded = np.full(want.size + 2 * GUARD, 7.0, np.float32)
        out = padded[GUARD : GUARD + want.size]
        compiled([*arrays, out], threads=3)
        assert (out.reshape(want.shape) == want).all(), schedule
        assert (padded[:GUARD] == 7).all() and (padded[GUARD + want.size :] == 7).all()


@pytest.mark.parametrize("count", [2, 70])
def test_trees_that_fill_several_chunks_are_added_in_order_too(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "CHUNK_TREES", 4)
    test_every_schedule_gives_the_sums_in_the_order_of_the_trees(TARGETS[0], count, 1, ("BRANCH_LEQ",))


def test_little_work_stays_on_one_thread_and_much_is_shared() -> None:
    target = TARGETS[0]
    few, many = task(1, 1, MODES)[0], task(4096, 1, MODES)[0]
    assert template.schedules(few, target)[0]["split"] == "serial"
    assert template.schedules(many, target)[0]["split"] == "rows"
    assert all(template.legal(few, s, target) for s in template.schedules(few, target))
