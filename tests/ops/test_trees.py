"""Tree ensembles against ONNX Runtime, through the whole compiler: every mode, transform, aggregate and form."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

import burnish
from tests.tree_models import MODES, keyed_trees, linked_trees, rows, tree_model

FEATURES = 6
PROFILE = {"x": ((1, FEATURES), (64, FEATURES), (300, FEATURES))}


def check(model: Any, dtype: Any, missing: bool = False, trees: int = 12) -> None:
    """Native, and equal to ONNX Runtime's answers up to the order of f32 sums of so many leaves of about 1."""
    rounding = 3 * trees * float(np.finfo(np.float32).eps)
    oracle = copy.deepcopy(model)
    is_integer = np.dtype(dtype).kind == "i"
    if is_integer:  # ONNX Runtime has no regressor of integers; these are exact in f32
        oracle.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    session = onnxruntime.InferenceSession(oracle.SerializeToString(), providers=["CPUExecutionProvider"])
    plan = burnish.build(model, profile=PROFILE)
    assert not any("reference" in note for note in plan.manifest.notes), plan.manifest.notes
    with burnish.load(plan, threads=2) as engine:
        for count in (1, 7, 131):
            x = rows(np.random.default_rng(count), count, FEATURES, dtype, missing)
            ours = engine({"x": x})
            wanted = session.run(None, {"x": x.astype(np.float32) if is_integer else x})
            for spec, want in zip(session.get_outputs(), wanted):
                got = ours[spec.name]
                assert got.dtype == want.dtype and got.shape == want.shape
                if want.dtype == np.int64:
                    assert (got == want).all()
                else:
                    np.testing.assert_allclose(got, want, rtol=2e-6, atol=rounding)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("modes", [(m,) for m in MODES] + [MODES])
def test_a_regressor_of_every_mode_and_type(dtype: str, modes: tuple[str, ...]) -> None:
    attributes = keyed_trees(np.random.default_rng(0), "target", modes=modes)
    model = tree_model(
        "TreeEnsembleRegressor", attributes | {"n_targets": 1, "base_values": [0.25]}, FEATURES, 1, dtype
    )
    check(model, dtype)


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_every_aggregate(aggregate: str) -> None:
    attributes = keyed_trees(np.random.default_rng(1), "target", trees=12)
    attributes |= {"n_targets": 1, "aggregate_function": aggregate}
    check(tree_model("TreeEnsembleRegressor", attributes, FEATURES, 1, "float32"), "float32")


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE"])
@pytest.mark.parametrize("every", [True, False])
def test_several_targets(aggregate: str, every: bool) -> None:
    attributes = keyed_trees(np.random.default_rng(2), "target", targets=3, every_target=every)
    attributes |= {"n_targets": 3, "aggregate_function": aggregate, "base_values": [0.5, -1.0, 2.0]}
    check(tree_model("TreeEnsembleRegressor", attributes, FEATURES, 3, "float32"), "float32")


def test_missing_values_go_where_the_node_says() -> None:
    attributes = keyed_trees(np.random.default_rng(3), "target", missing=True, modes=MODES)
    check(tree_model("TreeEnsembleRegressor", attributes | {"n_targets": 1}, FEATURES, 1, "float32"), "float32", True)


def test_a_nan_that_no_node_tracks_compares_as_in_c() -> None:
    attributes = keyed_trees(np.random.default_rng(4), "target", modes=MODES)
    check(tree_model("TreeEnsembleRegressor", attributes | {"n_targets": 1}, FEATURES, 1, "float32"), "float32", True)


def test_thresholds_and_weights_of_double() -> None:
    attributes = keyed_trees(np.random.default_rng(5), "target", wide=True) | {"n_targets": 1}
    check(tree_model("TreeEnsembleRegressor", attributes, FEATURES, 1, "float64"), "float64")


TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("base", [[], [0.5, -1.0, 2.0, 0.0]])
@pytest.mark.parametrize("every", [True, False])
def test_a_classifier_of_many_classes(transform: str, base: list[float], every: bool) -> None:
    attributes = keyed_trees(np.random.default_rng(6), "class", targets=4, every_target=every)
    attributes |= {"classlabels_int64s": [3, -7, 11, 5], "post_transform": transform}
    attributes |= {"base_values": base} if base else {}
    check(tree_model("TreeEnsembleClassifier", attributes, FEATURES, 4, "float32"), "float32")


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("base", [[], [0.125]])
@pytest.mark.parametrize("negative", [True, False])
@pytest.mark.parametrize("known", [0, 1])
def test_two_classes_of_which_the_trees_know_one(transform: str, base: list[float], negative: bool, known: int) -> None:
    attributes = keyed_trees(np.random.default_rng(7), "class", negative=negative)
    attributes |= {"classlabels_int64s": [30, 40], "post_transform": transform}
    attributes |= {"base_values": base} if base else {}
    attributes["class_ids"] = [known] * len(attributes["class_ids"])
    check(tree_model("TreeEnsembleClassifier", attributes, FEATURES, 2, "float32"), "float32")


@pytest.mark.parametrize("known", [(0,), (1,), (0, 1)])
def test_two_base_values_are_added_to_their_classes(known: tuple[int, ...]) -> None:
    """ONNX Runtime 1.32 drops a base value or a sum here, or answers labels 0 or 1 that nobody named."""
    attributes = keyed_trees(np.random.default_rng(8), "class", targets=len(known), every_target=True)
    attributes["class_ids"] = [known[n] for n in attributes["class_ids"]]
    attributes |= {"classlabels_int64s": [30, 40], "base_values": [0.5, -0.25]}
    model = tree_model("TreeEnsembleClassifier", attributes, FEATURES, 2, "float32")
    x = rows(np.random.default_rng(0), 40, FEATURES, "float32")
    names = {k: k.replace("class_", "target_") for k in attributes if k not in ("classlabels_int64s", "base_values")}
    sums = {new: attributes[old] for old, new in names.items()} | {"n_targets": 2}
    oracle = tree_model("TreeEnsembleRegressor", sums, FEATURES, 2, "float32")
    (want,) = onnxruntime.InferenceSession(oracle.SerializeToString()).run(None, {"x": x})
    want = want + np.array([0.5, -0.25], np.float32)
    with burnish.load(burnish.build(model, profile=PROFILE)) as engine:
        ours = engine({"x": x})
    np.testing.assert_allclose(ours["y"], want, rtol=2e-6, atol=4e-6)
    second = want[:, 1] > want[:, 0] if len(known) == 2 else want[:, known[0]] > 0
    assert (ours["label"] == np.where(second, 40, 30)).all() and len(set(ours["label"])) == 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("targets", [1, 3])
def test_the_form_of_opset_5(dtype: str, targets: int) -> None:
    attributes = linked_trees(np.random.default_rng(9), 7, 4, FEATURES, targets, dtype)
    check(tree_model("TreeEnsemble", attributes, FEATURES, targets, dtype), dtype)


@pytest.mark.parametrize("count", [1, 5, 300])
def test_few_and_many_trees(count: int) -> None:
    attributes = keyed_trees(np.random.default_rng(count), "target", trees=count, depth=3)
    check(
        tree_model("TreeEnsembleRegressor", attributes | {"n_targets": 1}, FEATURES, 1, "float32"),
        "float32",
        trees=count,
    )


def test_sets_become_chains_of_comparisons() -> None:
    """Members {1, 2} and {3} of one feature each, as in ONNX's own example; the empty set has no member."""
    values = np.array([1, 2, np.nan, 3, np.nan, np.nan], np.float32)
    attributes = {
        "tree_roots": [0, 2],
        "nodes_featureids": [0, 1, 0],
        "nodes_splits": numpy_helper.from_array(np.zeros(3, np.float32), "splits"),
        "nodes_modes": numpy_helper.from_array(np.array([6, 6, 6], np.uint8), "modes"),
        "nodes_truenodeids": [1, 0, 3],
        "nodes_falsenodeids": [2, 1, 4],
        "nodes_trueleafs": [0, 1, 1],
        "nodes_falseleafs": [1, 1, 1],
        "leaf_targetids": [0, 0, 0, 0, 0],
        "leaf_weights": numpy_helper.from_array(np.array([1, 10, 100, 1000, 10000], np.float32), "weights"),
        "membership_values": numpy_helper.from_array(values, "members"),
        "n_targets": 1,
    }
    model = tree_model("TreeEnsemble", attributes, FEATURES, 1, "float32")
    x = np.zeros((4, FEATURES), np.float32)
    x[:, 0], x[:, 1] = [1, 2, 2, 0], [3, 0, 3, 3]
    with burnish.load(burnish.build(model, shapes={"x": x.shape})) as engine:
        assert engine({"x": x})["y"].ravel().tolist() == [10001, 10010, 10001, 10100]


def test_string_labels_are_given_as_strings() -> None:
    attributes = keyed_trees(np.random.default_rng(10), "class", targets=3)
    attributes["classlabels_strings"] = ["a", "b", "c"]
    model = tree_model("TreeEnsembleClassifier", attributes, FEATURES, 3, "float32")
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.STRING
    x = rows(np.random.default_rng(0), 20, FEATURES, "float32")
    want, _ = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    with burnish.load(burnish.build(model, profile=PROFILE)) as engine:
        assert list(engine({"x": x})["label"]) == list(want)
