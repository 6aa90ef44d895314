#!/usr/bin/env bash
# ONNX Runtime 1.32.0: with its default optimisations a Relu before QuantizeLinear to float8 is left out, and negative numbers come out.
#
# Relu, QuantizeLinear to float8e4m3fn (or float8e5m2) with a zero point of 0, DequantizeLinear. An optimiser drops a Relu that the
# range of the codes makes needless: right for uint8 with zero point 0, and for int8 with zero point -128. Float8 has a sign, so there
# it is not needless. A Clip in its place that follows a MatMul does not load at all: the session is refused, for the rule for Clips does
# not know the type. Without a zero point, where QuantizeLinear says its type by output_dtype (opset 21), both are right.
#
# Seen with onnx 1.23.2 and onnxruntime 1.32.0. Output seen:
#   FLOAT8E4M3FN, as written: [0.0, 0.0, 1.0, 20.0]; by default: [-8.0, -0.5, 1.0, 20.0]
#   FLOAT8E5M2, as written: [0.0, 0.0, 1.0, 20.0]; by default: [-8.0, -0.5, 1.0, 20.0]
#   Clip, as written: [0.0, 0.0, 1.0, 6.0]; by default: refused in clip_quantizelinear.cc
#   without a zero point, by default: Relu [0.0, 0.0, 1.0, 20.0], Clip [0.0, 0.0, 1.0, 6.0]
# So the float8 that Burnish writes has no zero points. Fails if that changes.
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


def codes_after(activation, kind, has_zero=True):
    constants = [
        helper.make_tensor("zero", kind, [], [0.0]),
        *(numpy_helper.from_array(np.float32(value), name) for name, value in (("scale", 0.5), ("low", 0), ("high", 6))),
        numpy_helper.from_array(np.eye(4, dtype=np.float32), "weight"),
    ]
    zero, said = (["zero"], {}) if has_zero else ([], {"output_dtype": kind})
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node(activation, ["product", *(["low", "high"] if activation == "Clip" else [])], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "scale", *zero], ["codes"], **said),
        helper.make_node("DequantizeLinear", ["codes", "scale", *zero], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = helper.make_graph(nodes, "codes", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def answer(model, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return "refused in clip_quantizelinear.cc" if "clip_quantizelinear.cc" in str(error) else str(error)
    return session.run(None, {"x": np.array([[-8, -0.5, 1, 20]], np.float32)})[0].ravel().tolist()


levels = onnxruntime.GraphOptimizationLevel
for name in ("FLOAT8E4M3FN", "FLOAT8E5M2"):
    model = codes_after("Relu", getattr(TensorProto, name))
    written, default = answer(model, levels.ORT_DISABLE_ALL), answer(model, levels.ORT_ENABLE_ALL)
    print(f"{name}, as written: {written}; by default: {default}")
    assert written == [0, 0, 1, 20] and default == [-8, -0.5, 1, 20], "the behaviour has changed"
model = codes_after("Clip", TensorProto.FLOAT8E4M3FN)
written, default = answer(model, levels.ORT_DISABLE_ALL), answer(model, levels.ORT_ENABLE_ALL)
print(f"Clip, as written: {written}; by default: {default}")
assert written == [0, 0, 1, 6] and default == "refused in clip_quantizelinear.cc", "the behaviour has changed"
relu, clip = (
    answer(codes_after(activation, TensorProto.FLOAT8E4M3FN, has_zero=False), levels.ORT_ENABLE_ALL)
    for activation in ("Relu", "Clip")
)
print(f"without a zero point, by default: Relu {relu}, Clip {clip}")
assert relu == [0, 0, 1, 20] and clip == [0, 0, 1, 6], "the behaviour has changed"
PYTHON
