"""round_weights.py: weights take the values of a narrower type, tables its width, and everything computes in f32."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish.dtypes import DType
from burnish.lower.buffers import narrowest
from burnish.ops.inference.infer import infer
from burnish.precision.round_weights import round_weights
from tests.precision.graphs import assert_within_roundings, normal, parse, run

TEXT = "m (int64[3] i) => (float[3,16] y) { t = Gather(g, i) h = MatMul(t, w) y = Exp(h) }"
WEIGHTS = {"g": normal(20, 8), "w": normal(8, 16, seed=1)}


@pytest.mark.parametrize("to", [DType.F16, DType.BF16])
def test_a_product_reads_rounded_weights_and_a_table_is_kept_narrow(to: DType) -> None:
    model = parse(TEXT, WEIGHTS)
    decisions = {d.op_type: d for d in round_weights(model.graph, infer(model.graph), to)}
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert {op: d.now for op, d in decisions.items()} == {
        "Gather": f"{to.value} weights", "MatMul": f"{to.value} weights", "Exp": "f32",
    }  # fmt: skip
    assert [n.op_type for n in model.graph] == ["Gather", "Cast", "MatMul", "Exp"]
    weight = next(n for n in model.graph if n.op_type == "MatMul").inputs[1]
    assert weight is not None and weight.const_value is not None
    rounded = weight.const_value.numpy()
    assert rounded.dtype == np.float32
    np.testing.assert_array_equal(rounded, WEIGHTS["w"].astype(to.numpy).astype(np.float32))


def test_answers_move_by_the_rounding_of_the_weights() -> None:
    feeds = {"i": np.array([1, 5, 19])}
    wide, model = parse(TEXT, WEIGHTS), parse(TEXT, WEIGHTS)
    (want,) = run(wide, feeds)
    round_weights(model.graph, infer(model.graph), DType.F16)
    (got,) = run(model, feeds)
    assert_within_roundings(got, want, wide)
    assert not np.array_equal(got, want)


def test_weights_beyond_the_type_stay() -> None:
    model = parse("m (float[3,8] x) => (float[3,4] y) { y = MatMul(x, w) }", {"w": np.full((8, 4), 1e5, np.float32)})
    (decision,) = round_weights(model.graph, infer(model.graph), DType.F16)
    assert decision.now == "f32" and "ends at 65504" in decision.why


def test_a_packed_constant_lies_in_the_narrowest_float_that_holds_it() -> None:
    values = normal(512, 256)
    assert narrowest(values) is values
    for dtype in (DType.BF16, DType.F16):
        short = narrowest(values.astype(dtype.numpy).astype(np.float32))
        assert short.dtype == dtype.numpy
        np.testing.assert_array_equal(short.astype(np.float32), values.astype(dtype.numpy).astype(np.float32))
    almost = values.astype(DType.BF16.numpy).astype(np.float32)
    almost[-1, -1] = 1.2345678
    assert narrowest(almost).dtype == np.float32
    assert narrowest(np.ones((256, 256), np.float32)).dtype == np.float32, "it stays in a core's cache"
