"""reductions.py: means and maxima in the spellings of exporters."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.forms.reductions import mean_of, reduction_of, variance_of
from tests.passes.golden import build

AXES = {"last": np.array([-1]), "both": np.array([2, 1]), "share": np.float32(1 / 5), "third": np.float32(1 / 3)}


def output(body: str) -> object:
    used = {n: v for n, v in AXES.items() if f"{n})" in body}
    return build("float[2,3,5] x", body, **used).graph.outputs[0]


@pytest.mark.parametrize(
    "body, axes",
    [
        ("y = ReduceMean(x, last)", (2,)),
        ("y = ReduceMean(x, both)", (1, 2)),
        ("y = ReduceMean(x)", (0, 1, 2)),
        ("h = ReduceSum(x, last) y = Mul(h, share)", (2,)),
        ("h = ReduceMean <keepdims=0> (x, last) y = Unsqueeze(h, last)", (2,)),
    ],
)
def test_a_mean_is_found_with_its_axes(body, axes):
    found = mean_of(output(body))
    assert found is not None and found.x.name == "x" and found.axes == axes


@pytest.mark.parametrize(
    "body",
    [
        "y = Relu(x)",
        "y = ReduceMean <keepdims=0> (x, last)",
        "y = ReduceMean <noop_with_empty_axes=1> (x)",
        "h = ReduceSum(x, last) y = Mul(h, third)",
        "h = ReduceMean <keepdims=0> (x, last) y = Unsqueeze(h, both)",
    ],
)
def test_what_is_no_mean_over_known_axes_is_none(body):
    assert mean_of(output(body)) is None


def test_a_maximum_may_be_reshaped_back():
    value = build(
        "float[2,5] x", "h = ReduceMax <keepdims=0> (x, a) y = Reshape(h, s)", a=np.array([1]), s=np.array([2, 1])
    )
    found = reduction_of(value.graph.outputs[0], "ReduceMax")
    assert found is not None and found.axes == (1,) and [n.op_type for n in found.nodes] == ["Reshape", "ReduceMax"]


@pytest.mark.parametrize("last", ["y = Sub(e, f)", "g = Sub(e, f) y = Relu(g)"])
def test_a_variance_may_be_the_difference_of_two_moments(last: str):
    body = "q = Mul(x, x) e = ReduceMean(q, last) m = ReduceMean(x, last) f = Mul(m, m) " + last
    found = variance_of(output(body))
    assert found is not None and found.x.name == "x" and found.axes == (2,)


@pytest.mark.parametrize(
    "body",
    [
        "q = Mul(x, x) e = ReduceMean(q, last) m = ReduceMean(x, both) f = Mul(m, m) y = Sub(e, f)",
        "q = Mul(x, z) e = ReduceMean(q, last) m = ReduceMean(x, last) f = Mul(m, m) y = Sub(e, f)",
        "q = Mul(x, x) e = ReduceMean(q, last) m = ReduceMean(x, last) y = Sub(e, m)",
        "q = Mul(x, x) e = ReduceMean(q, last) m = ReduceMean(x, last) f = Mul(m, m) y = Add(e, f)",
    ],
)
def test_moments_that_do_not_belong_together_are_no_variance(body):
    used = {n: v for n, v in AXES.items() if f"{n})" in body}
    model = build("float[2,3,5] x, float[2,3,5] z", body, **used)
    assert variance_of(model.graph.outputs[0]) is None
