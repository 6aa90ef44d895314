"""Loop on the reference kernel: scan outputs stack, no turn gives no rows, a missing condition is true."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish
from burnish.reference.control import at_most
from burnish.reference.evaluator import evaluator
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


def scan_model(shape: tuple[int, ...], **attributes: list[int]) -> onnx.ModelProto:
    info = onnx.helper.make_tensor_value_info
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["s", "x"], ["t"]), onnx.helper.make_node("Mul", ["t", "x"], ["r"])],
        "body",
        [info("s", 1, [2]), info("x", 1, [2])],
        [info("t", 1, [2]), info("r", 1, [2])],
    )
    node = onnx.helper.make_node("Scan", ["s0", "xs"], ["last", "rows"], body=body, num_scan_inputs=1, **attributes)
    outputs = [info("last", 1, [2]), info("rows", 1, [None, None])]
    graph = onnx.helper.make_graph([node], "g", [info("s0", 1, [2]), info("xs", 1, shape)], outputs)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"scan_input_directions": [1]},
        {"scan_output_directions": [1]},
        {"scan_input_axes": [1], "scan_output_axes": [1]},
        {"scan_input_axes": [-1], "scan_output_axes": [-1], "scan_input_directions": [1]},
    ],
)
def test_a_scan_goes_along_any_axis_in_both_directions(attributes: dict[str, list[int]]):
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    feeds = {
        "s0": np.ones(2, np.float32),
        "xs": np.ascontiguousarray(rows.T) if "scan_input_axes" in attributes else rows,
    }
    model = scan_model(feeds["xs"].shape, **attributes)
    want = answers(session(model.SerializeToString()), feeds)
    with burnish.load(burnish.build(model), threads=1) as engine:
        got = engine(feeds)
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array)


def test_a_scan_of_no_rows_has_the_shape_that_its_body_declares():
    model = scan_model((0, 2), scan_output_axes=[1])
    last, rows = evaluator(model).run(None, {"s0": np.ones(2, np.float32), "xs": np.zeros((0, 2), np.float32)})
    assert (last.tolist(), rows.shape) == ([1, 1], (2, 0))


def test_a_loop_without_an_end_can_be_tried():
    text = """<ir_version: 8, opset_import: ["" : 17]>
    g (float[2] start) => (float[2] last) {
      last = Loop ("", "", start) <body = turn (int64 i, bool c, float[2] v) => (bool again, float[2] w) {
        again = Identity(c)
        w = Add(v, v)
      }>
    }"""
    model = onnx.parser.parse_model(text)
    with at_most(2):
        (last,) = evaluator(model).run(None, {"start": np.ones(2, np.float32)})
    assert last.tolist() == [4, 4]
