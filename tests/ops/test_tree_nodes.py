"""Tree ensembles as arrays: records, leaves, and every way in which the attributes can contradict each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.ops.registry import Misfit, Undefined
from burnish.ops.tree_nodes import keyed_ensemble, linked_ensemble, same_classes_in_a_tree

F32 = np.dtype(np.float32)


def stump(**changes: Any) -> dict[str, Any]:
    """x[2] <= 0.5 ? 10 : 20, as a regressor's attributes."""
    attributes: dict[str, Any] = {
        "nodes_treeids": (0, 0, 0),
        "nodes_nodeids": (0, 1, 2),
        "nodes_featureids": (2, 0, 0),
        "nodes_values": (0.5, 0.0, 0.0),
        "nodes_modes": ("BRANCH_LEQ", "LEAF", "LEAF"),
        "nodes_truenodeids": (1, 0, 0),
        "nodes_falsenodeids": (2, 0, 0),
        "target_treeids": (0, 0),
        "target_nodeids": (1, 2),
        "target_ids": (0, 0),
        "target_weights": (10.0, 20.0),
    }
    return attributes | changes


def linked_stump(**changes: Any) -> dict[str, Any]:
    """The same as a TreeEnsemble's."""
    attributes: dict[str, Any] = {
        "tree_roots": (0,),
        "nodes_featureids": (2,),
        "nodes_splits": np.array([0.5], np.float32),
        "nodes_modes": np.array([0], np.uint8),
        "nodes_truenodeids": (0,),
        "nodes_falsenodeids": (1,),
        "nodes_trueleafs": (1,),
        "nodes_falseleafs": (1,),
        "leaf_targetids": (0, 0),
        "leaf_weights": np.array([10.0, 20.0], np.float32),
    }
    return attributes | changes


def test_both_forms_give_the_same_ensemble() -> None:
    keyed, linked = keyed_ensemble(stump(), "target", 1, F32), linked_ensemble(linked_stump(), 1, F32)
    assert keyed.tree_count == linked.tree_count == 1 and keyed.modes == linked.modes == ("LEQ",)
    assert (keyed.nodes == linked.nodes).all() and keyed.features == linked.features == 3


def test_a_set_is_asked_for_element_by_element() -> None:
    sets = {"nodes_modes": np.array([6], np.uint8), "membership_values": np.array([1.0, 4.0, np.nan], np.float32)}
    ensemble = linked_ensemble(linked_stump(**sets), 1, F32)
    assert ensemble.modes == ("EQ",)
    assert ensemble.nodes[:5, 0].copy().view(np.float32).tolist() == [1.0, 10.0, 4.0, 10.0, 20.0]


def test_equal_attributes_are_worked_out_once() -> None:
    assert keyed_ensemble(stump(), "target", 1, F32) is keyed_ensemble(stump(), "target", 1, F32)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nodes_values": (0.5,)}, "differ in length"),
        ({"nodes_modes": ("BRANCH_LEQ", "LEAF", "BOUGH")}, "nodes_modes holds BOUGH"),
        ({"nodes_truenodeids": (7, 0, 0)}, "nodes_truenodeids names a node that is not there"),
        ({"nodes_nodeids": (0, 1, 1)}, "two nodes have the same tree and number"),
        ({"nodes_nodeids": (0, 1, -2)}, "negative number"),
        ({"nodes_falsenodeids": (0, 0, 0)}, "go in a circle"),
        ({"nodes_featureids": (-1, 0, 0)}, "asks for feature -1"),
        ({"target_nodeids": (1, 9)}, "target_nodeids names a node that is not there"),
        ({"target_ids": (0, 4)}, "adds to target 4 of 1"),
        ({"target_weights": (1.0,)}, "differ in number"),
        ({"target_treeids": (0,)}, "entries for 1 trees' nodes"),
    ],
)
def test_what_contradicts_itself_is_a_misfit(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Misfit, match=words):
        keyed_ensemble(stump(**changes), "target", 1, F32)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nodes_modes": np.array([0, 0], np.uint8)}, "differ in length"),
        ({"tree_roots": (5,)}, "not one of its nodes"),
        ({"nodes_modes": np.array([6], np.uint8)}, "no membership_values"),
        ({"nodes_modes": np.array([6], np.uint8), "membership_values": np.array([1.0], np.float32)}, "fewer sets"),
    ],
)
def test_so_it_is_in_the_form_of_opset_5(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Misfit, match=words):
        linked_ensemble(linked_stump(**changes), 1, F32)


def test_weights_at_inner_nodes_are_left_to_the_reference() -> None:
    with pytest.raises(Undefined, match="weights at inner nodes"):
        keyed_ensemble(stump(target_nodeids=(0, 2)), "target", 1, F32)


def test_whether_all_leaves_of_a_tree_name_the_same_classes() -> None:
    attributes = {name.replace("target_", "class_"): value for name, value in stump().items()}
    assert same_classes_in_a_tree(attributes)
    assert not same_classes_in_a_tree(attributes | {"class_ids": (0, 1)})
    fewer = {"class_treeids": (0,), "class_nodeids": (1,), "class_ids": (0,), "class_weights": (1.0,)}
    assert not same_classes_in_a_tree(attributes | fewer)
