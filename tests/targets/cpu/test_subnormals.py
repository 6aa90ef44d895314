"""Plans take subnormal floats as zero, and leave the caller's own floating-point control as it was."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

import burnish

TINY = np.float32(1e-40)


@pytest.mark.parametrize("threads", [1, 2])
def test_subnormals_are_zero_inside_a_plan_and_not_outside(threads: int) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21]> m (float[4096] x) => (float[4096] y) { h = Exp(x) y = Mul(x, h) }'
    )
    x = np.full(4096, TINY)
    x[0] = 1
    engine = burnish.load(burnish.build(model), threads=threads)
    y = engine(x=x)["y"]
    assert (y[1:] == 0).all()
    assert y[0] == pytest.approx(np.e, rel=1e-6)
    assert TINY * np.float32(0.5) > 0
