"""infer_classical.py: ranks of classical models, where neither ONNX nor the file tells them. Oracle: ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import burnish

ML = "ai.onnx.ml"
LINEAR: dict[str, Any] = {"coefficients": [1.0, -1, 0.5, 2], "intercepts": [0.5, -0.5]}
TREE: dict[str, Any] = {
    "nodes_treeids": [0, 0, 0],
    "nodes_nodeids": [0, 1, 2],
    "nodes_featureids": [0, 0, 0],
    "nodes_values": [0.5, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LT", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0],
}
LEAVES: dict[str, Any] = {"ids": [0, 1], "nodeids": [1, 2], "treeids": [0, 0], "weights": [1.0, 2.0]}
NODES: dict[str, tuple[list[int], dict[str, Any]]] = {
    "Scaler": ([1], {"offset": [0.5, 1.0], "scale": [2.0, 3.0]}),
    "Normalizer": ([1], {"norm": "L2"}),
    "Imputer": ([1], {"imputed_value_floats": [7.0], "replaced_value_float": 1.0}),
    "LinearRegressor": ([1], {**LINEAR, "targets": 2}),
    "LinearClassifier": ([7, 1], {**LINEAR, "classlabels_ints": [3, 4], "multi_class": 1}),
    "TreeEnsembleRegressor": ([1], {**TREE, "n_targets": 2, **{f"target_{k}": v for k, v in LEAVES.items()}}),
    "TreeEnsembleClassifier": (
        [7, 1],
        {**TREE, "classlabels_int64s": [0, 1, 2], **{f"class_{k}": v for k, v in LEAVES.items()}},
    ),
}


@pytest.mark.parametrize("op_type", NODES)
def test_a_plan_gives_what_onnx_runtime_gives_though_the_file_tells_no_shape(op_type: str):
    kinds, attributes = NODES[op_type]
    names = [f"y{i}" for i in range(len(kinds))]
    node = helper.make_node(op_type, ["x"], names, domain=ML, **attributes)
    outputs = [onnx.ValueInfoProto(name=n, type=helper.make_tensor_type_proto(k, None)) for n, k in zip(names, kinds)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(ML, 1)]
    model = helper.make_model(helper.make_graph([node], "g", [x], outputs), opset_imports=imports, ir_version=8)
    feed = {"x": np.array([[0, 1], [1, 2], [3, 0.25]], np.float32)}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with burnish.load(burnish.build(model, shapes={"x": (3, 2)}), threads=1) as engine:
        for want, got in zip(session.run(None, feed), engine(feed).values(), strict=True):
            assert (want.shape, want.dtype) == (got.shape, got.dtype)
            np.testing.assert_allclose(got, want, rtol=1e-6)
