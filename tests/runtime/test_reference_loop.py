"""Loop on the reference kernel: scan outputs stack, no turn gives no rows, a missing condition is true."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish
from tests.end_to_end.oracle import answers, session

BODY = """<ir_version: 8, opset_import: ["" : 17]>
g (int64 n, float[{shape}] start) => (float[{shape}] last, float[{stacked}] rows) {{
  last, rows = Loop (n, {condition}, start) <body = turn (int64 i, bool c, float[{shape}] v)
      => (bool again, float[{shape}] w, float[{shape}] row) {{
    again = Identity(c)
    one = Constant <value = float {{1.0}}> ()
    w = Add(v, one)
    row = Mul(w, w)
  }}>
}}"""


@pytest.mark.parametrize("turns", [0, 1, 3])
@pytest.mark.parametrize("shape", ["", "3", "2,3", "2,1,2"])
def test_rows_are_stacked_along_a_new_axis_as_onnxruntime_does(shape: str, turns: int):
    text = BODY.format(shape=shape, stacked="turns" + ("," + shape if shape else ""), condition="")
    model = onnx.parser.parse_model(text)
    sizes = [int(n) for n in shape.split(",") if n]
    feeds = {"n": np.array(turns), "start": np.arange(np.prod(sizes, dtype=int), dtype=np.float32).reshape(sizes)}
    want = answers(session(model.SerializeToString()), feeds)
    with burnish.load(burnish.build(model), threads=1) as engine:
        got = engine(feeds)
    for name, array in want.items():
        assert got[name].shape == array.shape
        np.testing.assert_array_equal(got[name], array)
