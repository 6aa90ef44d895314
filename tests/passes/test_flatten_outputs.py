"""flatten_outputs.py: an output whose rank only the run tells comes out with the rank of the side that was taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import burnish

TEXT = """<ir_version: 10, opset_import: ["" : 21]> agraph (bool p, float[n,1,3] x) => (y, float[k] top{more})
    <int64[1] one = {{1}}, int64[1] flat = {{-1}}> {{
    v = If (p) <then_branch = g1 () => (t) {{ t = {then} }}, else_branch = g2 () => (e) {{ e = Neg (x) }}>
    y = Abs (v)
    r = Reshape (v, flat)
    top = Relu (r)
    {tail} }}"""
PROFILE = {"x": [(1, 1, 3), (2, 1, 3), (4, 1, 3)]}


def model(then: str = "Squeeze (x, one)", more: str = "", tail: str = "") -> onnx.ModelProto:
    return onnx.parser.parse_model(TEXT.format(then=then, more=more, tail=tail))


def feeds(p: bool, rows: int) -> dict[str, np.ndarray]:
    x = np.random.default_rng(rows).standard_normal((rows, 1, 3)).astype(np.float32)
    return {"p": np.array(p), "x": x}


@pytest.mark.parametrize(
    "then", ["Squeeze (x, one)", "Exp (x) ", "ReduceSum <keepdims = 0> (x)", "Concat <axis = 2> (x, x)"]
)
@pytest.mark.parametrize("more", ["", ", z"])
def test_the_rank_is_that_of_the_side_that_was_taken(then: str, more: str) -> None:
    proto = model(then, more, "z = Identity (y)" if more else "")
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    engine = burnish.load(burnish.build(proto, profile=PROFILE))
    for p in (True, False):
        for rows in (1, 4):
            wanted = session.run(None, feeds(p, rows))
            found = engine(feeds(p, rows))
            assert list(found) == [o.name for o in session.get_outputs()]
            for value, want in zip(found.values(), wanted, strict=True):
                np.testing.assert_allclose(value, want, rtol=1e-5, atol=1e-5, strict=True)


def test_callers_see_an_open_rank_and_may_give_a_buffer_of_the_right_shape(tmp_path: Path) -> None:
    plan = burnish.build(model(), profile=PROFILE)
    assert "only a run tells the rank of output 'y'" in "".join(plan.manifest.notes)
    assert "-> y f32[...], top f32[" in repr(plan)
    plan.save(tmp_path / "m.plan")
    with burnish.load(tmp_path / "m.plan") as engine:
        assert engine.outputs[0].shape == ("...",)
        assert engine.output_shapes({"p": (), "x": (2, 1, 3)})["y"] is None
        given = feeds(True, 2)
        into = np.empty((2, 3), np.float32)
        assert engine(given, out={"y": into})["y"] is into
        np.testing.assert_array_equal(into, np.abs(given["x"][:, 0]))
        with pytest.raises(burnish.BurnishError, match="E508"):
            engine(given, out={"y": np.empty((2, 1, 3), np.float32)})


def test_an_output_of_one_rank_is_left_alone() -> None:
    plan = burnish.build(model("Exp (x)"), profile=PROFILE)
    assert not plan.manifest.output_shapes and "y f32[n,1,3]" in repr(plan)
