"""Random tree ensembles, in each of ONNX's forms: what the tests and the benchmark of trees share."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
Array = np.ndarray[Any, Any]


def keyed_trees(
    rng: np.random.Generator,
    kind: str,
    trees: int = 9,
    depth: int = 5,
    features: int = 6,
    targets: int = 1,
    modes: tuple[str, ...] = ("BRANCH_LEQ",),
    missing: bool = False,
    negative: bool = True,
    every_target: bool = False,
    wide: bool = False,
) -> dict[str, Any]:
    """Attributes of a TreeEnsembleClassifier (kind "class") or TreeEnsembleRegressor ("target"): unbalanced trees."""
    rows: list[tuple[Any, ...]] = []
    leaves: list[tuple[int, int, int, float]] = []
    counts = [0] * trees  # nodes of each tree so far

    def grow(tree: int, level: int) -> int:
        number, counts[tree] = counts[tree], counts[tree] + 1
        rows.append((tree, number, 0, 0.0, "LEAF", 0, 0, 0))
        place = len(rows) - 1
        if level == depth or (level and rng.random() < 0.2):
            for target in range(targets) if every_target else [tree % targets]:
                weight = float(np.float32(rng.normal() if negative else rng.random()))
                leaves.append((tree, number, target, weight))
            return number
        true, false = grow(tree, level + 1), grow(tree, level + 1)
        threshold = float(np.float32(rng.integers(-3, 4) / 2))
        mode, track = modes[rng.integers(len(modes))], int(missing and rng.random() < 0.5)
        rows[place] = (tree, number, int(rng.integers(features)), threshold, mode, true, false, track)
        return number

    for tree in range(trees):
        grow(tree, 0)
    names = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    found = {f"nodes_{name}": [r[i] for r in rows] for i, name in enumerate(names)}
    if missing:
        found["nodes_missing_value_tracks_true"] = [r[7] for r in rows]
    for i, name in enumerate(("treeids", "nodeids", "ids", "weights")):
        found[f"{kind}_{name}"] = [leaf[i] for leaf in leaves]
    if wide:
        for name in ("nodes_values", f"{kind}_weights"):
            found[f"{name}_as_tensor"] = numpy_helper.from_array(np.array(found.pop(name), np.float64), name)
    return found


def linked_trees(rng: np.random.Generator, trees: int, depth: int, features: int, targets: int, dtype: Any) -> Any:
    """Attributes of a TreeEnsemble: complete trees, all modes but MEMBER."""
    inner, leaves = 2**depth - 1, 2**depth
    total = trees * inner
    child = np.arange(inner)
    is_last = child >= inner // 2
    true, false = 2 * child + 1, 2 * child + 2
    roots = np.arange(trees) * inner

    def sides(child: Array) -> Array:
        own = np.where(is_last, child - inner, child)
        return np.concatenate([own + (np.where(is_last, t * leaves, t * inner)) for t in range(trees)])

    flags = np.tile(is_last.astype(np.int64), trees)
    return {
        "tree_roots": roots.tolist(),
        "nodes_featureids": rng.integers(0, features, total).tolist(),
        "nodes_splits": numpy_helper.from_array((rng.integers(-3, 4, total) / 2).astype(dtype), "splits"),
        "nodes_modes": numpy_helper.from_array(rng.integers(0, 6, total).astype(np.uint8), "modes"),
        "nodes_truenodeids": sides(true).tolist(),
        "nodes_falsenodeids": sides(false).tolist(),
        "nodes_trueleafs": flags.tolist(),
        "nodes_falseleafs": flags.tolist(),
        "leaf_targetids": rng.integers(0, targets, trees * leaves).tolist(),
        "leaf_weights": numpy_helper.from_array(rng.normal(size=trees * leaves).astype(dtype), "weights"),
        "n_targets": targets,
    }


def tree_model(op_type: str, attributes: dict[str, Any], features: int, classes: int, dtype: Any) -> onnx.ModelProto:
    """One node; the input is x[N, features], the outputs are y, or label and y."""
    outputs = ["label", "y"] if op_type == "TreeEnsembleClassifier" else ["y"]
    node = helper.make_node(op_type, ["x"], outputs, domain=ML, **attributes)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    shown = [helper.make_tensor_value_info("label", TensorProto.INT64, ["N"])] if len(outputs) == 2 else []
    score = kind if op_type == "TreeEnsemble" else TensorProto.FLOAT
    shown.append(helper.make_tensor_value_info("y", score, ["N", classes]))
    graph = helper.make_graph([node], "trees", [helper.make_tensor_value_info("x", kind, ["N", features])], shown)
    versions = [helper.make_opsetid(ML, 5 if op_type == "TreeEnsemble" else 3), helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=versions, ir_version=9)


def rows(rng: np.random.Generator, count: int, features: int, dtype: Any, missing: bool = False) -> Array:
    """Features that often equal a threshold."""
    found: Array = (rng.integers(-4, 5, (count, features)) / 2).astype(dtype)
    if missing:
        found[rng.random(found.shape) < 0.2] = np.nan
    return found
