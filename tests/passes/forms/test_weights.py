"""weights.py: the axes of a weight, against the shape that the product's result has."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from burnish.passes.forms.weights import weight_axes
from tests.passes.golden import build

CASES: dict[str, tuple[str, tuple[int, ...], str]] = {
    "Conv": ("float[1,5,6,6] x", (7, 5, 3, 3), "y = Conv(x, w)"),
    "ConvTranspose": ("float[1,5,6,6] x", (5, 7, 3, 3), "y = ConvTranspose(x, w)"),
    "Gemm": ("float[2,5] x", (5, 7), "y = Gemm(x, w)"),
    "Gemm, turned": ("float[2,5] x", (7, 5), "y = Gemm<transB = 1>(x, w)"),
    "MatMul": ("float[2,5] x", (5, 7), "y = MatMul(x, w)"),
    "MatMul, a stack": ("float[3,2,5] x", (3, 5, 7), "y = MatMul(x, w)"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_axes_count_what_is_made_and_what_is_summed(name: str) -> None:
    inputs, shape, text = CASES[name]
    model: Any = build(inputs, text, w=np.ones(shape, np.float32))
    x = np.ones([int(n) for n in inputs.partition("[")[2].partition("]")[0].split(",")], np.float32)
    (y,) = ReferenceEvaluator(ir.to_proto(model)).run(None, {"x": x})
    channels = 1 if "Conv" in name else -1
    outputs, summed = weight_axes(next(iter(model.graph)), len(shape))
    assert shape[outputs] == y.shape[channels] == 7 and shape[summed] == x.shape[channels] == 5
