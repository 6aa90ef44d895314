"""Biases take back what rounded weights add on average, for each kind of product."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.precision.quantise.quantise import quantise
from burnish.precision.ranges import Range, Ranges
from tests.precision.graphs import normal, parse
from tests.precision.quantise.test_quantise import run

CASES = {
    "conv": ("g (float[64,8,5,5] x) => (float[64,6,3,3] y) { y = Conv(x, w) }", {"w": normal(6, 8, 3, 3)}, 1),
    "conv with a bias": (
        "g (float[64,8,5,5] x) => (float[64,6,3,3] y) { y = Conv(x, w, b) }",
        {"w": normal(6, 8, 3, 3), "b": normal(6, seed=4)},
        1,
    ),
    "conv in groups": (
        "g (float[64,8,5,5] x) => (float[64,6,3,3] y) { y = Conv<group=2>(x, w) }",
        {"w": normal(6, 4, 3, 3)},
        1,
    ),
    "gemm": ("g (float[64,40] x) => (float[64,6] y) { y = Gemm(x, w) }", {"w": normal(40, 6)}, -1),
    "gemm transposed": (
        "g (float[64,40] x) => (float[64,6] y) { y = Gemm<transB=1>(x, w, b) }",
        {"w": normal(6, 40), "b": normal(6, seed=4)},
        -1,
    ),
    "matmul and add": (
        "g (float[2,32,40] x) => (float[2,32,6] y) { p = MatMul(x, w)   y = Add(b, p) }",
        {"w": normal(40, 6), "b": normal(6, seed=4)},
        -1,
    ),
}


def mean_errors(name: str, means: bool) -> float:
    """The largest mean error of an output channel."""
    text, weights, axis = CASES[name]
    weights = {n: w * 10 for n, w in weights.items()}
    model = parse(text, weights)
    random = np.random.default_rng(7)
    shape = [int(d) for d in model.graph.inputs[0].shape]
    x = random.uniform(0, 1, shape).astype(np.float32)
    exact = run(parse(text, weights), x)
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    known = {"x": tuple(x.mean(others).tolist())} if means else {}
    quantise(model.graph, Ranges({"x": Range(0, 1)}, means=known))
    error = run(model, x) - exact
    return float(np.abs(error.mean(tuple(a for a in range(error.ndim) if a != axis % error.ndim))).max())


@pytest.mark.parametrize("name", CASES)
def test_the_mean_error_goes(name: str) -> None:
    assert mean_errors(name, True) < 0.35 * mean_errors(name, False)


def test_a_product_whose_bias_is_computed_stays_as_it_is() -> None:
    text = "g (float[4,8] x, float[6] b) => (float[4,6] y) { y = Gemm(x, w, b) }"
    model = parse(text, {"w": normal(8, 6)})
    quantise(model.graph, Ranges({"x": Range(0, 1)}, means={"x": (0.5,) * 8}))
    gemm = next(n for n in model.graph if n.op_type == "Gemm")
    assert gemm.inputs[2] is model.graph.inputs[1]


def test_means_of_another_size_and_scaled_products_change_nothing() -> None:
    for text, size in (
        ("g (float[4,8] x) => (float[4,6] y) { y = Gemm(x, w) }", 7),
        ("g (float[4,8] x) => (float[4,6] y) { y = Gemm<alpha=0.5>(x, w) }", 8),
        ("g (float[4,8] x) => (float[4,6] y) { y = MatMul(x, w) }", 8),
    ):
        model = parse(text, {"w": normal(8, 6)})
        quantise(model.graph, Ranges({"x": Range(0, 1)}, means={"x": (0.5,) * size}))
        product = next(n for n in model.graph if n.op_type in ("Gemm", "MatMul"))
        assert len([v for v in product.inputs if v is not None]) == 2 and isinstance(product, ir.Node)
