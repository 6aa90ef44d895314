"""split_dynamic_quantize.py: quantising by range in steps. Oracle: ONNX Runtime's DynamicQuantizeLinear, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised.split_dynamic_quantize import SplitDynamicQuantize
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import run_ort

BODY = "c, s, z = DynamicQuantizeLinear(x) d = DequantizeLinear(c, s, z) f = Cast<to=1>(z) g = Mul(f, s) y = Add(d, g)"
KINDS = {
    "both signs": lambda r, shape: r.standard_normal(shape),
    "positive": lambda r, shape: r.uniform(2, 5, shape),
    "negative": lambda r, shape: -r.uniform(2, 5, shape),
    "zeros": lambda r, shape: np.zeros(shape),
    "one large": lambda r, shape: np.where(np.arange(np.prod(shape)).reshape(shape) == 5, 1e30, 1e-3),
}
SHAPES = {
    "image": ((2, 9, 5, 4), [0, 2, 3]),
    "image of few channels": ((1, 3, 5, 7), [0, 1, 2]),
    "rows": ((6, 7), [0]),
    "vector": ((13,), []),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape, axes", SHAPES.values(), ids=SHAPES.keys())
def test_codes_scale_and_zero_point_are_equal(kind, shape, axes):
    model = build(f"float[{','.join(map(str, shape))}] x", BODY)
    before = model.clone()
    lines = assert_fires_once(model, SplitDynamicQuantize())
    assert not any("Dynamic" in line for line in lines)
    first = next(line for line in lines if "ReduceMin(x" in line)
    assert (f"axes[{len(axes)}]" in first) == bool(axes)
    feeds = {"x": KINDS[kind](np.random.default_rng(1), shape).astype(np.float32)}
    for want, got in zip(run_ort(before, feeds), run_ort(model, feeds), strict=True):
        if kind != "zeros":
            assert np.unique(want).size > 1
        np.testing.assert_array_equal(got, want)


def test_an_unknown_rank_is_left_alone():
    model = build("float[2,3] x", BODY)
    model.graph.inputs[0].shape = None
    reason = "the rank of what DynamicQuantizeLinear quantises is not known, or it is not in f32"
    assert why(model, SplitDynamicQuantize(), "DynamicQuantizeLinear") == reason
