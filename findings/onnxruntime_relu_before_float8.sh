#!/usr/bin/env bash
# ONNX Runtime 1.32.0: with its default optimisations a Relu before QuantizeLinear to float8 is left out, and negative numbers come out.
#
# Relu, QuantizeLinear to float8e4m3fn (or float8e5m2) with a zero point of 0, DequantizeLinear. An optimiser drops a Relu that the
# range of the codes makes needless: right for uint8 with zero point 0, and for int8 with zero point -128. Float8 has a sign, so there
# it is not needless. A Clip to 0 and 6 in its place stays. So f32 outputs of float8 models are compared with optimisations off.
#
# Seen with onnx 1.23.2 and onnxruntime 1.32.0. Output seen:
#   FLOAT8E4M3FN, as written: [0.0, 0.0, 1.0, 20.0]; by default: [-8.0, -0.5, 1.0, 20.0]
#   FLOAT8E5M2, as written: [0.0, 0.0, 1.0, 20.0]; by default: [-8.0, -0.5, 1.0, 20.0]
# So Burnish's tests of float8 take ONNX Runtime with optimisations off as their oracle. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def relu_in_codes(kind):
    constants = [helper.make_tensor("zero", kind, [], [0.0]), numpy_helper.from_array(np.float32(0.5), "scale")]
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "scale", "zero"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph(nodes, "relu", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def answer(kind, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(relu_in_codes(kind), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.array([-8, -0.5, 1, 20], np.float32)})[0].tolist()


levels = onnxruntime.GraphOptimizationLevel
for name in ("FLOAT8E4M3FN", "FLOAT8E5M2"):
    kind = getattr(TensorProto, name)
    written, default = answer(kind, levels.ORT_DISABLE_ALL), answer(kind, levels.ORT_ENABLE_ALL)
    print(f"{name}, as written: {written}; by default: {default}")
    assert written == [0, 0, 1, 20] and default == [-8, -0.5, 1, 20], "the behaviour has changed"
PYTHON
