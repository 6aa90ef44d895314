from __future__ import annotations

import numpy as np
import pytest

from .onnx_node import assert_same, ours

CURVES = [
    "Relu",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Celu",
    "Softplus",
    "Softsign",
    "Mish",
    "Gelu",
    "HardSwish",
    "HardSigmoid",
]


@pytest.mark.parametrize("op_type", CURVES)
def test_nan_in_gives_nan_out(op_type):
    (y,) = ours(op_type, [np.asarray([np.nan, 0], np.float32)])
    assert np.isnan(y[0])
    assert np.isfinite(y[1])


@pytest.mark.parametrize("op_type", ["Softplus", "Mish", "Elu", "Gelu"])
def test_large_inputs_do_not_overflow(op_type):
    x = np.asarray([-200, 200], np.float32)
    (y,) = ours(op_type, [x])
    assert np.isfinite(y).all()
    assert y[1] == 200


def test_relu_of_integers():
    assert_same("Relu", [np.asarray([-3, 0, 5], np.int32)])
