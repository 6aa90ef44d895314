#!/usr/bin/env bash
# ONNX Runtime 1.32.0: tree ensembles lose parts of their sums where a target is known to few leaves.
#
# 1. TreeEnsembleRegressor of two targets: a base value of a target that no leaf adds to is left out (0, not the base value).
# 2. TreeEnsembleClassifier of two classes whose leaves name class 1 only, with a base value for each class: the sum over the trees is
#    left out; every row gets the second base value as its score.
#
# Seen with onnx 1.23.2 and onnxruntime 1.32.0. The specification: base values are "added to final class score" / "for regression, added to
# final prediction after applying aggregate function".
# Output seen:   regressor [[1.25, 0.0]], base values [0.25, 0.5], leaf 1.0 for target 0
#                classifier [[0.0, 0.5], [0.0, 0.5]], base values [0.25, 0.5], leaves 0.3 and 0.8 for class 1
# Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

STUMP = dict(
    nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[0.0, 0.0, 0.0],
    nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
    base_values=[0.25, 0.5],
)


def run(op_type, rows, **attributes):
    names = ["label", "y"] if op_type == "TreeEnsembleClassifier" else ["y"]
    node = helper.make_node(op_type, ["x"], names, domain="ai.onnx.ml", **STUMP, **attributes)
    shown = [helper.make_tensor_value_info("label", TensorProto.INT64, [None])] if len(names) == 2 else []
    shown.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2]))
    graph = helper.make_graph([node], "trees", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])], shown)
    imports = [helper.make_opsetid("ai.onnx.ml", 1), helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": np.array(rows, np.float32)})[0]


leaves = {"treeids": [0, 0], "nodeids": [1, 2]}
regressor = run(
    "TreeEnsembleRegressor", [[-1]], n_targets=2, target_ids=[0, 0], target_weights=[1.0, 2.0],
    **{f"target_{k}": v for k, v in leaves.items()},
)
print("regressor", regressor.tolist(), "base values [0.25, 0.5], leaf 1.0 for target 0")
classifier = run(
    "TreeEnsembleClassifier", [[-1], [1]], classlabels_int64s=[0, 1], class_ids=[1, 1], class_weights=[0.3, 0.8],
    **{f"class_{k}": v for k, v in leaves.items()},
)
print("classifier", classifier.tolist(), "base values [0.25, 0.5], leaves 0.3 and 0.8 for class 1")
assert regressor.tolist() == [[1.25, 0.0]], "the behaviour has changed (expected by the text: [[1.25, 0.5]])"
assert classifier.tolist() == [[0.0, 0.5], [0.0, 0.5]], "the behaviour has changed (expected: [[0.25, 0.8], [0.25, 1.3]])"
PYTHON
