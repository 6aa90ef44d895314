#!/usr/bin/env bash
# ONNX Runtime 1.32.0: a TreeEnsembleClassifier of two classes, both of which have weights, answers the label 1 (or 0 where the
# second score is not positive), whatever `classlabels_int64s` says. So it answers labels that the model does not have, and the label
# does not follow the scores, which are right.
#
# Seen with onnx 1.23.2 and onnxruntime 1.32.0. Expected by the specification ("the top class for each point"): [30 40].
# Output seen:   labels [1 1] for scores [[0.6 0.4] [0.2 0.8]] of the classes [30, 40]
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

node = helper.make_node(
    "TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml", classlabels_int64s=[30, 40],
    nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[0.0, 0.0, 0.0],
    nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
    class_treeids=[0, 0, 0, 0], class_nodeids=[1, 1, 2, 2], class_ids=[0, 1, 0, 1], class_weights=[0.6, 0.4, 0.2, 0.8],
)
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])
label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2])
graph = helper.make_graph([node], "trees", [x], [label, scores])
imports = [helper.make_opsetid("ai.onnx.ml", 1), helper.make_opsetid("", 13)]
model = helper.make_model(graph, opset_imports=imports, ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
labels, found = session.run(None, {"x": np.array([[-1], [1]], np.float32)})
print("labels", labels, "for scores", found.tolist(), "of the classes [30, 40]")
np.testing.assert_allclose(found, [[0.6, 0.4], [0.2, 0.8]], rtol=1e-6)
assert labels.tolist() == [1, 1], "the behaviour has changed"
PYTHON
