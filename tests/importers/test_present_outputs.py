"""present_outputs.py: maps and string labels of classifiers. Oracle: ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import burnish
from burnish.errors import UserError
from burnish.importers import load_model

ML = "ai.onnx.ml"
X = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
KEYS: dict[str, tuple[list[Any], int]] = {
    "integers": ([-1, 5, 7], TensorProto.INT64),
    "strings": (["cat", "dog", "eel"], TensorProto.STRING),
}


def classifier(keys: str, opset: int = 21) -> onnx.ModelProto:
    """As scikit-learn's converter writes one: scaled features, linear scores, normalised, zipped."""
    labels, kind = KEYS[keys]
    names = ("classlabels_ints", "classlabels_int64s") if keys == "integers" else ("classlabels_strings",) * 2
    numbers: dict[str, Any] = {"coefficients": [1.0, -1, -1, 1, 0.5, 0.5], "intercepts": [0.5, -0.5, 0.0]}
    nodes = [
        helper.make_node("Scaler", ["x"], ["s"], domain=ML, offset=[0.1, 0.2], scale=[1.0, 2.0]),
        helper.make_node(
            "LinearClassifier", ["s"], ["l", "p"], domain=ML, post_transform="SOFTMAX", **numbers, **{names[0]: labels}
        ),
        helper.make_node("Identity", ["l"], ["label"]),
        helper.make_node("Normalizer", ["p"], ["q"], domain=ML, norm="L1"),
        helper.make_node("ZipMap", ["q"], ["maps"], domain=ML, **{names[1]: labels}),
    ]
    row = helper.make_map_type_proto(kind, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    outputs = [
        helper.make_tensor_value_info("label", kind, ["n"]),
        helper.make_value_info("maps", helper.make_sequence_type_proto(row)),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])]
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 1)]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), opset_imports=imports, ir_version=5)


@pytest.mark.parametrize("how", ["shapes", "profile"])
@pytest.mark.parametrize("keys", KEYS)
def test_labels_and_lists_of_dicts_are_what_onnx_runtime_gives(keys: str, how: str):
    model = classifier(keys)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, maps = session.run(None, {"x": X})
    if how == "shapes":
        plan = burnish.build(model, shapes={"x": (5, 2)})
    else:
        plan = burnish.build(model, profile={"x": ((1, 2), (5, 2), (9, 2))})
    assert any("'maps' is a list of dicts" in note for note in plan.manifest.notes)
    with burnish.load(plan.to_bytes(), threads=1) as engine:
        got = engine(x=X)
        assert got["label"].dtype == labels.dtype and got["label"].tolist() == labels.tolist()
        assert [list(row) for row in got["maps"]] == [list(row) for row in maps]
        assert all(type(value) is float for row in got["maps"] for value in row.values())
        np.testing.assert_allclose([list(r.values()) for r in got["maps"]], [list(r.values()) for r in maps], rtol=1e-6)
        with engine.create_context() as context:
            assert context.enqueue({"x": X}).wait()["maps"] == got["maps"]
        buffer = np.zeros(5, np.int64)
        assert engine(x=X, out={"label": buffer})["label"] is buffer and buffer.any()


def test_maps_that_are_no_zipmap_of_an_output_are_refused_by_name():
    model = classifier("integers")
    model.graph.input.append(onnx.ValueInfoProto(name="d", type=model.graph.output[1].type.sequence_type.elem_type))
    with pytest.raises(UserError, match=r"E211(.|\n)*input 'd'(.|\n)*it is a map"):
        load_model(model)


def test_a_string_label_that_something_else_reads_stays_a_string():
    model = classifier("strings")
    model.graph.node.append(
        helper.make_node("LabelEncoder", ["l"], ["code"], domain=ML, keys_strings=["cat"], values_int64s=[3])
    )
    assert [p.form for p in load_model(model).presentations] == ["maps"]
