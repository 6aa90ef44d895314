"""A model of three nodes, for tests of everything around a build."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small_model(rows: int | str = "n") -> onnx.ModelProto:
    """y = relu(x @ W + b); x is f32[n,4], y f32[n,3]."""
    generator = np.random.default_rng(3)
    weights = numpy_helper.from_array(generator.standard_normal((4, 3)).astype(np.float32), "W")
    bias = numpy_helper.from_array(generator.standard_normal(3).astype(np.float32), "b")
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["product"], "product"),
        helper.make_node("Add", ["product", "b"], ["sum"], "sum"),
        helper.make_node("Relu", ["sum"], ["y"], "relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 3])],
        [weights, bias],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
