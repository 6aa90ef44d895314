"""Records of tree ensembles: what a walk reads of a node, of a leaf, and of nodes that several parents share."""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.ops.language.ensemble import FEATURE_BITS, LEAF, NAN_SHIFT, RECORD_BYTES, SPARE
from burnish.ops.tree_records import LEAF_MODE, Graph, ensemble_of

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
FIRST_CHILD = 1 * RECORD_BYTES  # one root comes before the children


def stump(**changes: Any) -> Graph:
    """x[2] <= 0.5 ? 10 : 20."""
    columns: dict[str, Any] = {
        "feature": [2, 0, 0],
        "threshold": [0.5, 0, 0],
        "mode": [0, LEAF_MODE, LEAF_MODE],
        "true": [1, 1, 2],
        "false": [2, 1, 2],
        "missing": [0, 0, 0],
        "roots": [0],
        "leaf": [1, 2],
        "target": [0, 0],
        "weight": [10.0, 20.0],
    }
    return Graph(**{name: np.array(column) for name, column in (columns | changes).items()})


def test_a_record_is_threshold_question_and_the_place_of_two_children_side_by_side() -> None:
    ensemble = ensemble_of(stump(), 1, F32)
    assert ensemble.nodes.dtype == np.int32 and ensemble.nodes.shape == (1 + SPARE, 4)
    assert ensemble.nodes[:3, 0].copy().view(np.float32).tolist() == [0.5, 10.0, 20.0]
    assert ensemble.nodes[:3, 1:3].tolist() == [[2, FIRST_CHILD], [0, LEAF], [0, LEAF]]
    assert (ensemble.nodes[3:, 2] == LEAF).all(), "a walk too many must end"
    assert ensemble.features == 3 and ensemble.modes == ("LEQ",) and ensemble.starts is None


def test_a_double_threshold_takes_two_words() -> None:
    nodes = ensemble_of(stump(), 1, F64).nodes
    assert np.ascontiguousarray(nodes[:3, :2]).view(np.float64).ravel().tolist() == [0.5, 10.0, 20.0]
    assert nodes[:3, 2:].tolist() == [[2, FIRST_CHILD], [0, LEAF], [0, LEAF]]


def test_leaves_of_several_weights_are_listed() -> None:
    several = {"leaf": [1, 2, 2], "target": [0, 0, 1], "weight": [1.0, 2.0, 3.0]}
    ensemble = ensemble_of(stump(**several), 2, F32)
    assert ensemble.starts is not None and ensemble.weights is not None
    assert ensemble.starts.tolist() == [0, 1, 3] and ensemble.targets.tolist() == [0, 0, 1]
    assert ensemble.weights.tolist() == [1, 2, 3] and ensemble.nodes[1:3, 0].tolist() == [0, 1]


def test_leaves_of_one_tree_that_add_to_different_targets_are_listed() -> None:
    ensemble = ensemble_of(stump(target=[0, 1]), 2, F32)
    assert ensemble.starts is not None and ensemble.targets.tolist() == [0, 1]


def test_trees_have_a_target_each_or_one_for_all() -> None:
    assert ensemble_of(stump(target=[2, 2]), 3, F32).targets.tolist() == [2]
    two = {"roots": [0, 3], "true": [1, 1, 2, 3], "false": [2, 1, 2, 3], "leaf": [1, 2, 3], "weight": [1.0, 2.0, 3.0]}
    two |= {"feature": [2, 0, 0, 0], "threshold": [0.5, 0, 0, 0], "missing": [0] * 4, "mode": [0, *[LEAF_MODE] * 3]}
    ensemble = ensemble_of(stump(**two, target=[1, 1, 0]), 2, F32)
    assert ensemble.targets.tolist() == [1, 0] and ensemble.starts is None and ensemble.tree_count == 2
    assert ensemble.nodes[:4, 0].copy().view(np.float32).tolist() == [0.5, 3.0, 1.0, 2.0]


def test_a_node_of_two_parents_has_two_records_and_one_pair_of_children() -> None:
    """The root's both sides lead to node 1, which asks for the leaves 2 and 3."""
    shared = {
        "feature": [0, 1, 0, 0],
        "threshold": [0.5, 1.5, 0, 0],
        "missing": [0] * 4,
        "mode": [0, 0, *[LEAF_MODE] * 2],
    }
    shared |= {"true": [1, 2, 2, 3], "false": [1, 3, 2, 3], "leaf": [2, 3]}
    nodes = ensemble_of(stump(**shared), 1, F32).nodes
    assert nodes[:5, 0].copy().view(np.float32).tolist() == [0.5, 1.5, 1.5, 10.0, 20.0]
    assert nodes[:5, 2].tolist() == [RECORD_BYTES, 3 * RECORD_BYTES, 3 * RECORD_BYTES, LEAF, LEAF]


def test_the_question_says_where_nan_goes_if_some_node_asks_for_it() -> None:
    both = {
        "feature": [3, 0, 0, 5, 0],
        "threshold": [0.5, 0, 0, 1.5, 0],
        "mode": [0, LEAF_MODE, LEAF_MODE, 1, LEAF_MODE],
    }
    both |= {
        "true": [1, 1, 2, 2, 4],
        "false": [3, 1, 2, 4, 4],
        "leaf": [1, 2, 4],
        "target": [0] * 3,
        "weight": [1.0] * 3,
    }
    for missing, wanted in (([1, 0, 0, 0, 0], [0, RECORD_BYTES]), ([0] * 5, [0, 0])):
        ensemble = ensemble_of(stump(**both, missing=missing), 1, F32)
        questions = ensemble.nodes[[0, 2], 1].view(np.uint32)
        assert ensemble.tracks_missing == any(missing) and ensemble.modes == ("LEQ", "LT")
        assert (questions >> NAN_SHIFT).tolist() == wanted
        assert (questions & (1 << NAN_SHIFT) - 1).tolist() == [3, 5 | 1 << FEATURE_BITS]
