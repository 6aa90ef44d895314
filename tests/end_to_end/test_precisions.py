"""Architectures in f16, bf16 and f64: the graph's precision is the plan's, and costs what its roundings cost."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import burnish
from tests.end_to_end.architectures import SMALL
from tests.end_to_end.oracle import answers, session, shapes
from tests.end_to_end.test_architectures import depth


def in_precision(model: bytes, element: int) -> bytes:
    """The model with every f32 weight, constant, cast, input and output in another type."""
    proto = onnx.load_from_string(model)
    dtype = helper.tensor_dtype_to_np_dtype(element)
    lowest = float(ml_dtypes.finfo(dtype).min)

    def convert(tensor: onnx.TensorProto) -> None:
        if tensor.data_type == TensorProto.FLOAT:
            values = np.maximum(numpy_helper.to_array(tensor).astype(np.float64), lowest)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(dtype), tensor.name))

    for tensor in proto.graph.initializer:
        convert(tensor)
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                convert(attribute.t)
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = element
    for value in (*proto.graph.input, *proto.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = element
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize("element", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
@pytest.mark.parametrize("name", ["resnet", "bert"])
def test_answers_are_as_near_to_the_f32_model_as_the_type_allows(name: str, element: int):
    model = SMALL[name].make()
    feeds = SMALL[name].feeds(batch=2)
    ((output, want),) = answers(session(model), feeds).items()
    dtype = helper.tensor_dtype_to_np_dtype(element)
    ours = {key: v.astype(dtype) if v.dtype == np.float32 else v for key, v in feeds.items()}
    plan = burnish.build(in_precision(model, element), shapes=shapes(ours))
    assert plan.manifest.notes == ()
    with burnish.load(plan, threads=2) as engine:
        got = engine(ours)[output]
    assert got.dtype == dtype
    # weights and inputs are rounded, and each layer's result once
    step = max(float(ml_dtypes.finfo(dtype).eps), float(np.finfo(np.float32).eps))
    error = np.abs(got.astype(np.float64) - want).max() / np.abs(want).max()
    assert error <= step * depth(model) ** 0.5
    a, b = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
    assert 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b) <= 4 * step**2 * depth(model)
