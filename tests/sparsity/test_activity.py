"""activity.py: what products read, as rows that their weights multiply."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from burnish.sparsity.activity import _windows, find_activity
from tests.passes.golden import build

WINDOWS = {
    "plain": ("y = Conv(x, w)", (4, 3, 3, 2)),
    "strided, padded, dilated": ("y = Conv <strides=[2,1], pads=[1,0,2,1], dilations=[1,2]> (x, w)", (4, 3, 3, 2)),
}


@pytest.mark.parametrize("body, shape", WINDOWS.values(), ids=WINDOWS.keys())
def test_rows_times_weights_are_the_convolution(body: str, shape: tuple[int, ...]) -> None:
    weights, data = (np.random.default_rng(5).standard_normal(s).astype(np.float32) for s in (shape, (2, 3, 8, 7)))
    model = build("float[2,3,8,7] x", body, w=weights)
    rows = _windows(next(iter(model.graph)), data)
    node = next(iter(model.graph))
    attributes = {name: list(a.value) for name, a in node.attributes.items()}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"], **attributes)],
        "conv",
        [onnx.helper.make_tensor_value_info("x", 1, data.shape)],
        [onnx.helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": data})[0].transpose(0, 2, 3, 1).reshape(-1, shape[0])
    ours = rows @ np.moveaxis(weights, 1, -1).reshape(shape[0], -1).T
    np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-4)


def test_the_usual_size_is_the_root_of_the_squares_over_all_samples() -> None:
    model = build("float[4,3] x", "y = MatMul(x, w)", w=(3, 2))
    given = [np.random.default_rng(n).standard_normal((4, 3)).astype(np.float32) for n in range(3)]
    found = find_activity(ir.to_proto(model), given, None, None, None, None)
    (sums,) = found.sums.values()
    rows = np.concatenate(given)
    np.testing.assert_allclose(sums, rows.T @ rows, rtol=1e-4)
    node = next(iter(model.graph))
    node.name = next(iter(found.sums))
    usual = found.usual(node, 3)
    assert usual is not None
    np.testing.assert_allclose(usual**2, (rows**2).sum(0), rtol=1e-4)
    assert found.usual(node, 2) is None
