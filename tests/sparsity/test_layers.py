"""layers.py: the zeros of a model's weights."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.sparsity import find_sparsity
from burnish.sparsity.layers import Weight
from tests.passes.golden import build

SHAPES = {
    "Conv": ("y = Conv(x, w)", "float[2,8,6,6] x", (16, 8, 3, 2), (16, 8)),
    "ConvTranspose": ("y = ConvTranspose(x, w)", "float[2,8,6,6] x", (8, 16, 3, 2), (16, 8)),
    "MatMul": ("y = MatMul(x, w)", "float[3,8] x", (8, 16), (16, 8)),
    "Gemm": ("y = Gemm(x, w)", "float[3,8] x", (8, 16), (16, 8)),
    "Gemm of a transposed weight": ("y = Gemm <transB=1> (x, w)", "float[3,8] x", (16, 8), (16, 8)),
}


@pytest.mark.parametrize("body, inputs, shape, wanted", SHAPES.values(), ids=SHAPES.keys())
def test_outputs_and_inputs_of_each_kind_of_product(body, inputs, shape, wanted):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    weight = Weight.of(next(iter(build(inputs, body, w=array).graph)))
    assert weight is not None and weight.arranged.shape[:2] == wanted
    assert weight.rows.shape == (16, array.size // 16)
    assert np.array_equal(weight.from_rows(weight.rows), array)
    fewer = weight.rows.reshape(16, -1, 8)[:, :, :4].reshape(16, -1)
    assert Weight(weight.node, weight.outputs, weight.inputs, weight.from_rows(fewer, 4)).arranged.shape[:2] == (16, 4)


def test_zeros_are_counted_layer_by_layer_and_dead_channels_once():
    first, second = np.ones((16, 8, 3, 3), np.float32), np.ones((4, 16, 1, 1), np.float32)
    first[8:] = 0
    second[:, ::2] = 0
    model = build("float[2,8,6,6] x", "h = Conv <pads=[1,1,1,1]> (x, v) k = Relu(h) y = Conv(k, w)", v=first, w=second)
    found = find_sparsity(ir.to_proto(model))
    one, two = found.layers
    assert (one.zeros, one.dead_outputs, one.dead_inputs, one.groups) == (0.5, 8, 0, 0.5)
    assert (two.zeros, two.dead_outputs, two.dead_inputs, two.groups) == (0.5, 0, 8, 1.0)
    assert one.multiply_adds == 2 * 36 * 16 * 8 * 9 and two.multiply_adds == 2 * 36 * 64
    assert found.weights == 16 * 72 + 64 and found.taken_out == 8 * 72 + 32


def test_a_model_without_products_has_no_layers():
    found = find_sparsity(ir.to_proto(build("float[2,3] x", "y = Relu(x)")))
    assert not found.layers and found.weights == found.taken_out == 0
