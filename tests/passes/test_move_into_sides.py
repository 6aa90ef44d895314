"""move_into_sides.py: what reads a value whose rank depends on an If moves into both sides."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import burnish
from burnish.passes.fold_shapes import fold_shapes
from burnish.passes.move_into_sides import move_into_sides
from burnish.passes.rewrite.context import PassContext
from tests.passes.models import assert_same_answers, operators, parse

SQUEEZE = """agraph (bool p, float[2,1,3] x, float[3] w) => ({output})
    <int64[1] zero = {{0}}, int64[1] one = {{1}}, int64[2] flat = {{2, 3}}> {{
    a = Abs (w)
    v = If (p) <then_branch = g1 () => (t) {{ t = Squeeze (x, one) }},
                else_branch = g2 () => (e) {{ e = Identity (x) }}>
    {tail} }}"""


def feeds(p: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "p": np.array(p),
        "x": rng.standard_normal((2, 1, 3)).astype(np.float32),
        "w": rng.standard_normal(3).astype(np.float32),
    }


def check_run(text: str, **options: object) -> burnish.Engine:
    """Both sides, beside ONNX Runtime."""
    proto = onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 21]> ' + text)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    engine = burnish.load(burnish.build(proto, **options))
    for p in (True, False):
        wanted = session.run(None, feeds(p))
        found = engine(feeds(p))
        for info, want in zip(session.get_outputs(), wanted, strict=True):
            np.testing.assert_allclose(found[info.name], want, rtol=1e-6, strict=True)
    return engine


@pytest.mark.parametrize(
    ("output", "tail", "left"),
    [
        ("float[2,3] y", "s = Relu (v) y = Reshape (s, flat)", ["Abs", "If"]),
        ("float[2,3] y", "s = Add (v, w) q = Reshape (s, flat) y = Mul (q, a)", ["Abs", "If", "Mul"]),
        ("float[2,3] y", "m = ReduceMean <keepdims = 0> (v) h = Neg (m) s = Sub (v, h) y = Reshape (s, flat)", None),
        ("int64[1] y", "s = Shape (v) y = Shape (s)", None),
        (
            "float[1] y, float[2,3] z",
            "n = Size (v) k = Unsqueeze (n, zero) f = Cast <to = 1> (k) y = Neg (f) z = Reshape (v, flat)",
            None,
        ),
        (
            "float[2,3] y",
            """s = If (p) <then_branch = g3 () => (u) { u = Neg (v) }, else_branch = g4 () => (o) { o = Identity (v) }>
               y = Reshape (s, flat)""",
            None,
        ),
    ],
)
def test_the_readers_move_until_the_ranks_are_equal(output: str, tail: str, left: list[str] | None) -> None:
    text = SQUEEZE.format(output=output, tail=tail)
    model = parse(text)
    before = model.clone()
    fold_shapes(model, PassContext())
    assert move_into_sides(model, PassContext()) >= 1
    if left is not None:
        assert [n.op_type for n in model.graph] == left
    assert operators(model).count("Squeeze") >= 1
    for p in (True, False):
        assert_same_answers(before, model, feeds(p))
    assert move_into_sides(model, PassContext()) == 0
    check_run(text)


def test_a_shape_that_the_file_tells_of_one_side_is_not_believed() -> None:
    """Exporters write down what they saw when they traced the model."""
    text = SQUEEZE.format(output="float[2,3] y", tail="s = Relu (v) y = Reshape (s, flat)")
    proto = onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 21]> ' + text)
    proto.graph.value_info.append(onnx.helper.make_tensor_value_info("s", onnx.TensorProto.FLOAT, [2, 3]))
    engine = burnish.load(burnish.build(proto))
    for p in (True, False):
        want = np.maximum(feeds(p)["x"].reshape(2, 3), 0)
        np.testing.assert_array_equal(engine(feeds(p))["y"], want)


def test_an_if_within_a_side_and_one_after_another_are_handled() -> None:
    inner = """If (p) <then_branch = g5 () => (t2) { t2 = Squeeze (x, one) },
                       else_branch = g6 () => (e2) { e2 = Neg (x) }>"""
    text = """agraph (bool p, float[2,1,3] x, float[3] w) => (float[2,3] y)
        <int64[1] one = {1}, int64[2] flat = {2, 3}> {
        v = If (p) <then_branch = g1 () => (t) { t = Exp (x) }, else_branch = g2 () => (e) { e = INNER }>
        u = If (p) <then_branch = g3 () => (r) { r = Unsqueeze (v, one) },
                    else_branch = g4 () => (s) { s = Abs (v) }>
        y = Reshape (u, flat) }""".replace("INNER", inner)
    check_run(text)


def test_the_readers_of_sides_of_one_rank_are_left_alone() -> None:
    text = """agraph (bool p, float[2,1,3] x) => (float[2,c,3] y) {
        v = If (p) <then_branch = g1 () => (t) { t = Concat <axis = 1> (x, x) },
                    else_branch = g2 () => (e) { e = Neg (x) }>
        y = Relu (v) }"""
    model = parse(text)
    assert move_into_sides(model, PassContext()) == 0
    assert [n.op_type for n in model.graph] == ["If", "Relu"]


def test_too_many_copies_are_declined_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burnish.passes.move_into_sides.MOST_NODES", 6)
    model = parse(SQUEEZE.format(output="float[2,3] y", tail="s = Relu (v) [r] y = Reshape (s, flat)"))
    context = PassContext()
    assert move_into_sides(model, context) == 0
    (declined,) = context.report.why("move_into_sides")
    assert "exceed 6 nodes" in declined.reason
