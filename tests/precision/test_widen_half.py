"""widen_half.py: halves are computed in f32; the surface keeps its types."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import numpy_helper

from burnish.precision.widen_half import widen_half

RNG = np.random.default_rng(3)
# halves are written by their bits: 15360 is 1.0, 16384 is 2.0
NET = """m (float16[2,4] x) => (float16[2,3] y, float16[2,3] z) {
    h = MatMul(x, w) z = Relu(h) c = Constant <value = float16[3] {15360, 16384, 16896}> ()
    s = Add(z, c) y = Tanh(s) }"""


def parse(text: str, weights: dict[str, tuple[int, ...]] | None = None) -> ir.Model:
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> {text}')
    for name, shape in (weights or {}).items():
        array = RNG.standard_normal(shape).astype(np.float16)
        proto.graph.initializer.append(numpy_helper.from_array(array, name))
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def run(model: ir.Model, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def test_everything_between_the_inputs_and_the_outputs_is_f32() -> None:
    model = parse(NET, {"w": (4, 3)})
    assert widen_half(model) > 0
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    inner = {v.dtype for n in model.graph if n.op_type != "Cast" for v in n.outputs}
    assert inner == {ir.DataType.FLOAT}
    assert [v.dtype for v in (*model.graph.inputs, *model.graph.outputs)] == [ir.DataType.FLOAT16] * 3
    assert [v.name for v in model.graph.outputs] == ["y", "z"]


def test_answers_are_those_of_the_model_within_half_a_unit_of_f16() -> None:
    feeds = {"x": RNG.standard_normal((2, 4)).astype(np.float16)}
    model = parse(NET, {"w": (4, 3)})
    expected = run(model, feeds)
    widen_half(model)
    for got, want in zip(run(model, feeds), expected):
        np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=4e-3, atol=4e-3)


def test_an_output_that_another_node_reads_stays_wide_inside() -> None:
    model = parse(NET, {"w": (4, 3)})
    widen_half(model)
    (add,) = [n for n in model.graph if n.op_type == "Add"]
    assert add.inputs[0] is not None
    assert add.inputs[0].dtype == ir.DataType.FLOAT


def test_casts_and_type_attributes_follow() -> None:
    model = parse("m (float[3] x) => (float[3] y) { h = Cast <to=10> (x) a = Exp(h) y = Cast <to=1> (a) }")
    assert widen_half(model) > 0
    assert {n.attributes["to"].as_int() for n in model.graph if n.op_type == "Cast"} == {1}


@pytest.mark.parametrize(
    "text",
    [
        "m (float[3] x) => (float[3] y) { y = Exp(x) }",
        """m (float16[3] x) => (uint8[3] y) {
            s = Constant <value = float16 {14336}> () z = Constant <value = uint8 {0}> ()
            y = QuantizeLinear(x, s, z) }""",
    ],
    ids=["no halves", "quantised halves"],
)
def test_a_model_it_does_not_concern_is_left_alone(text: str) -> None:
    model = parse(text)
    before = ir.to_proto(model)
    assert widen_half(model) == 0
    assert ir.to_proto(model) == before


def test_a_second_run_changes_nothing_inside() -> None:
    model = parse(NET, {"w": (4, 3)})
    widen_half(model)
    nodes = len(model.graph)
    assert {v.dtype for n in model.graph for v in n.outputs if n.op_type != "Cast"} == {ir.DataType.FLOAT}
    assert nodes == len(parse(NET, {"w": (4, 3)}).graph) + 3


def test_a_widened_graph_is_widened_once_more_without_a_name_that_stands_twice() -> None:
    """Calibration builds the graph that it has prepared."""
    model, x = parse(NET, {"w": (4, 3)}), RNG.standard_normal((2, 4)).astype(np.float16)
    widen_half(model)
    once = run(model, {"x": x})
    assert widen_half(model) > 0
    names = [v.name for n in model.graph for v in n.outputs]
    assert len(names) == len(set(names))
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    for a, b in zip(once, run(model, {"x": x})):
        np.testing.assert_array_equal(a, b)
