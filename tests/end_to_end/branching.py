"""Nets with what plans have beyond kernels: an If, and a step on the reference kernel."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

TEXT = """<ir_version: 8, opset_import: ["" : 17]>
branching (float["batch", 3, 12, 12] x, bool flag) => (float["batch", 8, 12, 12] y, float["values"] levels) {
  a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
  r = Relu(a)
  y = If(flag) <
    then_branch = positive () => (float["batch", 8, 12, 12] p) { c = Conv <pads = [1, 1, 1, 1]> (r, v) p = Sigmoid(c) },
    else_branch = negative () => (float["batch", 8, 12, 12] n) { m = Neg(r) n = Tanh(m) }
  >
  whole = Round(y)
  levels = Unique(whole)
}"""

SIDES = """<ir_version: 10, opset_import: ["" : 22]> m (float[3,16] x, bool p) => (float[3,32] y) {
    h = MatMul(x, w)
    z = If(p) <then_branch = t () => (float[3,32] a) { m = MatMul(h, u) a = Sigmoid(m) },
               else_branch = e () => (float[3,32] b) { s = Softmax(h) g = MatMul(s, v) b = END(g) }>
    y = Relu(z) }"""


def choosing(end: str) -> bytes:
    """x f32[3,16], p bool -> y f32[3,32]. end: the operator that the second side of the If ends with."""
    model = onnx.parser.parse_model(SIDES.replace("END", end))
    random = np.random.default_rng(8)
    for name, shape in {"w": (16, 32), "u": (32, 32), "v": (32, 32)}.items():
        array = random.standard_normal(shape).astype(np.float32) / 4
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return bytes(model.SerializeToString())


def branching() -> bytes:
    """x f32[batch,3,12,12], flag bool -> y f32[batch,8,12,12] and its rounded values, each once."""
    model = onnx.parser.parse_model(TEXT)
    random = np.random.default_rng(7)
    for name, shape in (("w", (8, 3, 3, 3)), ("b", (8,)), ("v", (8, 8, 3, 3))):
        array = random.standard_normal(shape, np.float32) * np.float32(0.3)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return bytes(model.SerializeToString())
