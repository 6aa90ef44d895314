"""reference.py: a node on the reference kernel, and the values that it cannot take."""

from __future__ import annotations

import onnx
import pytest

import burnish
from burnish.errors import UserError

GROWING = """<ir_version: 10, opset_import: ["" : 21]> m (int64 n, float[2] x) => (float[k] y)
    <int64[1] zero = {0}, int64[1] flat = {-1}> {
    v = Loop (n, , x) <body = b (int64 i, bool go, float[k] a) => (bool on, float[1,k] r)
        { on = Identity (go) r = Unsqueeze (a, zero) }>
    s = Neg (v)
    y = Reshape (s, flat) }"""


def test_a_value_whose_rank_grows_in_a_loop_is_refused_by_code():
    with pytest.raises(UserError, match=r"E212(.|\n)*a loop changes its rank"):
        burnish.build(onnx.parser.parse_model(GROWING))
