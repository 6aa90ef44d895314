"""scope.py: a step runs if only the size of its result is read."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish

X = np.array([2, 0, 2, 5], np.int64)
READERS = {
    "shape": ("y = Shape (u)", lambda n: [n]),
    "size": ("z = Size (u)  one = Constant <value_ints = [1]> ()  y = Reshape (z, one)", lambda n: [n]),
    "zeros": ("s = Shape (u)  f = ConstantOfShape (s)  y = Cast <to = 7> (f)", lambda n: [0] * n),
    "twice": ("v = Add (u, u)  y = Shape (v)", lambda n: [n]),
}


@pytest.mark.parametrize("reader", READERS)
def test_only_the_size_of_what_data_decides_is_read(reader: str):
    body, want = READERS[reader]
    text = f"""<ir_version: 10, opset_import: ["" : 21]> g (int64[4] x) => (int64[n] y) {{ u = Unique (x)  {body} }}"""
    with burnish.load(burnish.build(onnx.parser.parse_model(text)), threads=1) as engine:
        assert engine(x=X)["y"].tolist() == want(3)
        assert engine(x=np.ones(4, np.int64))["y"].tolist() == want(1)


def test_the_size_is_read_inside_a_branch():
    text = """<ir_version: 10, opset_import: ["" : 21]> g (int64[4] x, bool c) => (int64[1] y) { u = Unique (x)
      y = If (c) <then_branch = a () => (int64[1] p) { p = Shape (u) },
                  else_branch = b () => (int64[1] q) { s = Shape (u)  q = Neg (s) }> }"""
    with burnish.load(burnish.build(onnx.parser.parse_model(text)), threads=1) as engine:
        assert engine(x=X, c=np.array(True))["y"].tolist() == [3]
        assert engine(x=X, c=np.array(False))["y"].tolist() == [-3]
