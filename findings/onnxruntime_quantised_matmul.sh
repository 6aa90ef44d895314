#!/usr/bin/env bash
# ONNX Runtime 1.32.0: with its default optimisations a valid quantised MatMul with a bias does not load from opset 21 on.
#
# QuantizeLinear and DequantizeLinear to int8 with a given zero point, on data of rank 3; then MatMul with an int8 weight, then Add of a
# bias. ONNX's checker accepts the model. At opset 20 it loads; at opset 21 the session is refused, because the optimiser moves the
# bias into a Gemm, quantises the reshaped data anew with an output_dtype of its own and without the model's zero point, whose type is
# then that of the default, uint8. With uint8 data, data of rank 2, no bias, or optimisations off it loads.
#
# Seen with onnx 1.23.2 and onnxruntime 1.32.0. Output seen:
#   opset 20: loads
#   opset 21: refused: output_dtype INT8 does not match y_zero_point type UINT8
#   opset 21, optimisations off: loads
# So Burnish writes quantised models in the oldest opset that has what they use. Fails if that changes.
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


def quantised_product(opset):
    constants = {
        "scale": np.float32(0.02), "zero": np.int8(0), "bias": np.ones(8, np.float32),
        "codes": np.arange(128, dtype=np.int8).reshape(16, 8), "scales": np.full(8, 0.01, np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["data"]),
        helper.make_node("DequantizeLinear", ["codes", "scales"], ["weight"], axis=1),
        helper.make_node("MatMul", ["data", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4, 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4, 8])
    initializers = [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    graph = helper.make_graph(nodes, "product", [x], [y], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def load(opset, optimise=True):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        onnxruntime.InferenceSession(quantised_product(opset), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return f"refused: {str(error).partition('[TypeInferenceError] ')[2].rstrip('.')}"
    return "loads"


found = load(20), load(21), load(21, optimise=False)
print("opset 20:", found[0])
print("opset 21:", found[1])
print("opset 21, optimisations off:", found[2])
expected = ("loads", "refused: output_dtype INT8 does not match y_zero_point type UINT8", "loads")
assert found == expected, "the behaviour has changed"
PYTHON
