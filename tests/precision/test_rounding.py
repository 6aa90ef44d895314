"""rounding.py: a Cast to a narrow float rounds wherever a reader of its result can tell."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

import burnish
from burnish.ops.language.node_view import KEEPS_EXCESS
from burnish.precision.rounding import must_round, release_casts

X = np.array([3.3, 1.001, 255.9, -7.77, 65519.0], np.float32)
NARROW = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
TYPE = {"float16": 10, "bfloat16": 16}


def parse(body: str, outputs: str) -> onnx.ModelProto:
    text = f'<ir_version: 10, opset_import: ["" : 21]> g (float[5] x) => ({outputs}) {{ {body} }}'
    return onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text))


@pytest.mark.parametrize("kind", NARROW)
def test_a_value_that_is_only_rounded_is_the_rounded_one(kind: str):
    body = f"""t = Cast <to = {TYPE[kind]}> (x)  r = Reshape (t, s)  y = Cast <to = 1> (r)  i = Cast <to = 6> (t)
    c = Cast <to = 1> (t)  g = Greater (x, c)"""
    model = parse("s = Constant <value_ints = [5]> () " + body, "float[5] y, int32[5] i, bool[5] g")
    with burnish.load(burnish.build(model), threads=1) as engine:
        got = engine(x=X)
    rounded = X.astype(NARROW[kind]).astype(np.float32)
    np.testing.assert_array_equal(got["y"], rounded)
    np.testing.assert_array_equal(got["i"], rounded.astype(np.int32))
    np.testing.assert_array_equal(got["g"], rounded < X)


def test_integers_round_too():
    model = parse("t = Cast <to = 6> (x)  h = Cast <to = 16> (t)  y = Cast <to = 1> (h)", "float[5] y")
    with burnish.load(burnish.build(model), threads=1) as engine:
        got = engine(x=X)["y"]
    np.testing.assert_array_equal(got, X.astype(np.int32).astype(ml_dtypes.bfloat16).astype(np.float32))


@pytest.mark.parametrize(
    ("body", "rounds"),
    [
        ("t = Cast <to = 10> (x)  y = Mul (t, t)", False),
        ("t = Cast <to = 10> (x)  r = Identity (t)  y = Exp (r)", False),
        ("t = Cast <to = 10> (x)  y = Floor (t)", True),
        ("t = Cast <to = 10> (x)  r = Neg (t)  b = Cast <to = 1> (t)  c = Cast <to = 10> (b)  y = Add (r, c)", True),
        ("u = Cast <to = 3> (x)  t = Cast <to = 10> (u)  y = Floor (t)", False),
    ],
)
def test_arithmetic_in_the_narrow_type_need_not_see_the_rounding(body: str, rounds: bool):
    model = ir.from_proto(parse(body, "float16[5] y"))
    cast = next(n for n in model.graph if n.outputs[0].name == "t")
    assert must_round(cast) is rounds
    release_casts(model)
    assert bool(cast.meta.get(KEEPS_EXCESS)) is not rounds


def test_a_side_of_an_if_gives_on_the_rounded_value():
    model = parse(
        """s = ReduceSum (x)  z = Constant <value = float[1] {0}> ()  b = Less (z, s)  q = Squeeze (b)
        t = If (q) <then_branch = a () => (float16[5] v) { v = Cast <to = 10> (x) },
                    else_branch = e () => (float16[5] w) { n = Neg (x) w = Cast <to = 10> (n) }>
        y = Cast <to = 1> (t)""",
        "float[5] y",
    )
    with burnish.load(burnish.build(model), threads=1) as engine:
        np.testing.assert_array_equal(engine(x=X)["y"], X.astype(np.float16).astype(np.float32))
