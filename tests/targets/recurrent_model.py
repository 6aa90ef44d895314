"""A product, an LSTM, a product: what a GPU has kernels for, and in its middle what it has none for."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STEPS, WIDTH, HIDDEN = 5, 6, 4


def recurrent_model(batch: int | str = 3) -> onnx.ModelProto:
    """x [steps, batch, width] -> y [steps, batch, 2], state [1, batch, hidden]."""
    random = np.random.default_rng(0)
    shapes = {
        "first": (WIDTH, WIDTH),
        "w": (1, 4 * HIDDEN, WIDTH),
        "r": (1, 4 * HIDDEN, HIDDEN),
        "b": (1, 8 * HIDDEN),
        "last": (HIDDEN, 2),
    }
    weights = [numpy_helper.from_array(random.standard_normal(s).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"], "project"),
        helper.make_node("LSTM", ["a", "w", "r", "b"], ["h", "state"], "remember", hidden_size=HIDDEN),
        helper.make_node("Squeeze", ["h", "one"], ["s"], "squeeze"),
        helper.make_node("MatMul", ["s", "last"], ["y"], "read"),
    ]
    weights.append(numpy_helper.from_array(np.array([1]), "one"))
    surface = {"x": [STEPS, batch, WIDTH], "y": [STEPS, batch, 2], "state": [1, batch, HIDDEN]}
    x, *results = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in surface.items())
    graph = helper.make_graph(nodes, "recurrent", [x], results, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
