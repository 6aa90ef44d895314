"""attention.py: float8 on q, k, v and the softmax, where all are known. Oracle: onnx.reference on the graph."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from burnish.passes.pipeline import SPELLED_OUT, optimize
from burnish.passes.rewrite.context import PassContext
from burnish.precision.quantise.attention import find_attention
from burnish.precision.quantise.quantise import quantise
from burnish.precision.ranges import Range, Ranges
from tests.passes.golden import build

INPUTS = "float[1,2,6,4] q, float[1,2,6,4] k, float[1,2,6,4] v"
BODY = (
    "t = Transpose<perm = [0, 1, 3, 2]>(k) s = MatMul(q, t) c = Mul(s, half) p = Softmax<axis = -1>(c) y = MatMul(p, v)"
)
RANGES = Ranges({"q": Range(-3.0, 3.0), "k": Range(-2.5, 4.0), "v": Range(-3.5, 3.0)})


def graph() -> ir.Model:
    model = build(INPUTS, BODY, half=np.float32(0.5))
    for node in model.graph:
        node.name = f"node_{node.outputs[0].name}"
    optimize(model, PassContext(), SPELLED_OUT)
    return model


def feeds() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    return {name: random.standard_normal((1, 2, 6, 4)).astype(np.float32) for name in "qkv"}


def rounded(x: np.ndarray, amax: float) -> np.ndarray:
    scale = np.float32(amax / 448)
    return np.clip(x / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * scale


def test_all_four_operands_are_rounded_to_float8() -> None:
    model, x = graph(), feeds()
    rows = quantise(model.graph, RANGES, codes="fp8")
    assert {(row.node, row.now) for row in rows} == {("node_s", "fp8"), ("node_y", "fp8")}
    q, k, v = rounded(x["q"], 3.0), rounded(x["k"], 4.0), rounded(x["v"], 3.5)
    scores = np.exp(q @ k.transpose(0, 1, 3, 2) * 0.5)
    want = rounded((scores / scores.sum(-1, keepdims=True)).astype(np.float32), 1.0) @ v
    (found,) = ReferenceEvaluator(ir.to_proto(model)).run(None, x)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph) == 4


def test_int8_leaves_it() -> None:
    model = graph()
    assert [row.why for row in quantise(model.graph, RANGES)] == ["both sides are computed"] * 2
    assert not any(node.op_type == "QuantizeLinear" for node in model.graph)


@pytest.mark.parametrize("missing", ["q", "k", "v"])
def test_a_range_that_is_not_known_leaves_it_and_is_named(missing: str) -> None:
    model = graph()
    ranges = Ranges({name: found for name, found in RANGES.tensors.items() if name != missing})
    assert {row.why for row in quantise(model.graph, ranges, codes="fp8")} == {f"the ranges know no tensor '{missing}'"}
    assert not any(node.op_type == "QuantizeLinear" for node in model.graph)


def test_a_node_that_is_kept_or_has_other_codes_leaves_the_whole() -> None:
    for how in ({"kept": "node_s"}, {"others": "node_y"}):
        model = graph()
        node = next(n for n in model.graph if n.name in how.values())
        kept, others = ([node], {}) if "kept" in how else ([], {node: "int8"})
        rows = quantise(model.graph, RANGES, kept, "fp8", others)
        assert {row.now for row in rows} == {"f32"}
        assert not any(n.op_type == "QuantizeLinear" for n in model.graph)


def test_two_products_without_a_softmax_are_no_attention() -> None:
    model = build(INPUTS, "t = Transpose<perm = [0, 1, 3, 2]>(k) s = MatMul(q, t) y = MatMul(s, v)")
    assert find_attention(model.graph) == ()
