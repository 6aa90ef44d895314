"""quantised.py: QLinear operators as ONNX's own. Oracle: ONNX Runtime on the call itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.errors import UserError
from burnish.importers import load_model
from burnish.importers.export import export_model
from tests.importers.build import answers
from tests.importers.microsoft.run import call, check, parameters, quantised, real

U8, S8 = np.uint8, np.int8


@pytest.mark.parametrize("dtype", [U8, S8])
@pytest.mark.parametrize("op_type", ["QLinearAdd", "QLinearMul"])
def test_pointwise_operators_of_two_quantised_tensors_that_broadcast(op_type: str, dtype: type):
    zeros = (128, 120, 125) if dtype is U8 else (-3, 4, 0)
    scales = (0.02, 0.03, 0.04)
    a, b, c = (parameters(s, z, dtype) for s, z in zip(scales, zeros))
    inputs = [quantised(2, 3, 500, dtype=dtype), *a, quantised(3, 1, dtype=dtype), *b, *c]  # ties are many
    check(*call(op_type, inputs, (1, 2, 4, 5, 6, 7), (dtype,)))


def test_scales_may_be_vectors_of_one_and_zero_points_left_out():
    a, b, scale = quantised(60, dtype=S8), quantised(60, dtype=S8), np.float32(0.25)
    model, feeds = call("QLinearAdd", [a, scale, None, b, scale, None, np.float32(0.5), None], (1, 4, 6), (S8,))
    want = np.clip(np.round((a.astype(np.float32) + b) / 2), -128, 127).astype(S8)  # ONNX Runtime wants them given
    (got,) = answers(export_model(load_model(model).model), feeds)
    np.testing.assert_array_equal(got, want)
    vector = np.array([0.03], np.float32)
    check(*call("QLinearWhere", where_inputs(vector), (2, 3, 5, 6, 7, 8), (U8,)))


def where_inputs(scale: Any) -> list[Any]:
    condition, x, y, z = np.arange(100) % 3 == 0, parameters(0.02, 128), (scale, U8(100)), parameters(0.04, 110)
    return [condition, quantised(100), *x, quantised(100), *y, *z]


@pytest.mark.parametrize("dtype", [U8, S8])
@pytest.mark.parametrize(("op_type", "attributes"), [("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.2})])
def test_functions_of_one_quantised_tensor(op_type: str, attributes: dict[str, Any], dtype: type):
    x, y = parameters(0.05, 7, dtype), parameters(1 / 128, 0 if dtype is U8 else -128, dtype)
    check(*call(op_type, [quantised(16, 16, dtype=dtype), *x, *y], (1, 2, 3, 4), (dtype,), **attributes))


@pytest.mark.parametrize(("opset", "axis"), [(17, -1), (17, 1), (12, 1), (12, 2)])
def test_softmax_of_new_and_old_opsets(opset: int, axis: int):
    x, y = parameters(0.08, 100), parameters(1 / 256, 0)
    inputs = [quantised(2, 3, 40), *x, *y]
    check(*_softmax(inputs, opset, axis))


def _softmax(inputs: list[Any], version: int, axis: int) -> Any:
    model, feeds = call("QLinearSoftmax", inputs, (1, 2, 3, 4), (U8,), axis=axis)
    attribute = model.graph.node[0].attribute.add()
    attribute.name, attribute.type, attribute.i = "opset", 2, version
    return model, feeds


@pytest.mark.parametrize("channels_last", [0, 1])
def test_pools(channels_last: int):
    x, y = parameters(0.02, 128), parameters(0.015, 120)
    image = quantised(2, 9, 9, 8) if channels_last else quantised(2, 8, 9, 9)
    inputs, constants = [image, *x, *y], (1, 2, 3, 4)
    check(*call("QLinearGlobalAveragePool", inputs, constants, (U8,), channels_last=channels_last))
    options: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    check(*call("QLinearAveragePool", inputs, constants, (U8,), channels_last=channels_last, **options))


def test_means_choices_and_joints():
    x, y, z = parameters(0.02, 128), parameters(0.03, 100), parameters(0.04, 110)
    mean = call("QLinearReduceMean", [quantised(4, 20, 5), *x, *y], (1, 2, 3, 4), (U8,), axes=[1], keepdims=0)
    with pytest.raises(Exception, match="QLinearReduceMean"):  # ONNX Runtime declares it and has no kernel
        check(*mean)
    assert [n.op_type for n in load_model(mean[0]).model.graph] == ["DequantizeLinear", "ReduceMean", "QuantizeLinear"]
    check(*call("QLinearWhere", where_inputs(np.float32(0.03)), (2, 3, 5, 6, 7, 8), (U8,)))
    parts = [*z, quantised(3, 4), *x, quantised(3, 5), *y]
    check(*call("QLinearConcat", parts, (0, 1, 3, 4, 6, 7), (U8,), axis=1))


@pytest.mark.parametrize("channels_last", [0, 1])
def test_convolution_with_channels_first_or_last(channels_last: int):
    x, w, y = parameters(0.02, 128), parameters(0.01, 0, S8), parameters(0.09, 110)
    image = quantised(1, 7, 8, 4) if channels_last else quantised(1, 4, 7, 8)
    bias = np.arange(6, dtype=np.int32) * 100
    inputs = [image, *x, quantised(6, 4, 3, 3, dtype=S8), *w, *y, bias]
    options: dict[str, Any] = {"pads": [1, 1, 1, 1], "channels_last": channels_last}
    check(*call("QLinearConv", inputs, (1, 2, 3, 4, 5, 6, 7, 8), (U8,), **options))


def test_quantising_to_16_bits_before_opset_21():
    scale, zero = np.float32(0.001), np.uint16(30000)
    check(*call("QuantizeLinear", [real(5, 40), scale, zero], (1, 2), (np.uint16,)))
    check(*call("DequantizeLinear", [quantised(5, 40, dtype=np.int16), scale, np.int16(5)], (1, 2)))


@pytest.mark.parametrize(
    ("inputs", "attributes", "code", "words"),
    [
        ([quantised(3), np.float32(1)], {}, "E114", "input 3 must be given"),
        ([quantised(3), np.float32(1), None, np.float32(1), None, quantised(3)], {}, "E114", "at most 5 and 1"),
        ([quantised(3), np.float32(1), None, np.float32(1)], {"alpha": 3}, "E115", "declares it as FLOAT"),
    ],
)
def test_calls_that_do_not_fit_are_refused(inputs: list[Any], attributes: dict[str, Any], code: str, words: str):
    model, _ = call("QLinearLeakyRelu", inputs, (), (U8,), **attributes)
    with pytest.raises(UserError, match=words) as refused:
        load_model(model)
    assert refused.value.code == code


def test_a_missing_attribute_and_parts_that_are_no_triples_are_refused():
    model, _ = call("QLinearConcat", [*parameters(1, 0), quantised(2)], (), (U8,))
    with pytest.raises(UserError, match=r"E115(.|\n)*lacks its attribute 'axis'"):
        load_model(model)
    model, _ = call("QLinearConcat", [*parameters(1, 0), quantised(2)], (), (U8,), axis=0)
    with pytest.raises(UserError, match=r"E113(.|\n)*no triples"):
        load_model(model)
