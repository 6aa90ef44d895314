"""Small models of one and of two products, and samples for them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray
CHANNELS = 16


def product(channels: int = CHANNELS) -> bytes:
    """y = x @ w, x f32[n, channels]; the data of the product are the samples themselves."""
    w = np.eye(channels, dtype=np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", channels]) for n in ("x", "y")]
    graph = helper.make_graph([node], "one", values[:1], values[1:], [numpy_helper.from_array(w, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def rows(count: int, seed: int = 0, channels: int = CHANNELS) -> list[Array]:
    """So many samples of 64 rows."""
    random = np.random.default_rng(seed)
    return [random.standard_normal((64, channels)).astype(np.float32).clip(-3, 3) for _ in range(count)]


def saved(model: bytes, path: object) -> None:
    onnx.save(onnx.load_from_string(model), str(path))
