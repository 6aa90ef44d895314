"""Q and DQ around products: valid ONNX, each tensor once, what it stands for near what it was."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from burnish.precision.quantise.quantise import quantise, range_notes
from burnish.precision.ranges import Range, Ranges
from tests.precision.graphs import normal, parse

TEXT = """g (float[1,4,6,6] x) => (float[1,4,6,6] y) {
    a = Conv<pads=[1,1,1,1]>(x, w1)   r = Relu(a)   b = Conv<pads=[1,1,1,1]>(r, w2)   c = Conv(r, w3)   s = Add(b, r)
    y = Add(s, c)
}"""
WEIGHTS = {"w1": normal(4, 4, 3, 3), "w2": normal(4, 4, 3, 3, seed=1), "w3": normal(4, 4, 1, 1, seed=2)}


def run(model: ir.Model, x: np.ndarray, **more: np.ndarray) -> np.ndarray:
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(proto.SerializeToString(), options).run(None, {"x": x, **more})[0]


def test_the_model_stays_valid_and_its_answer_near() -> None:
    x = normal(1, 4, 6, 6, seed=3)
    model = parse(TEXT, WEIGHTS)
    exact = run(model, x)
    decisions = quantise(model.graph, Ranges({"x": Range(-4, 4), "r": Range(0, 30)}))
    assert [d.now for d in decisions] == ["int8"] * 3
    assert 0 < np.abs(run(model, x) - exact).max() < 0.03 * np.abs(exact).max()
    kinds = [node.op_type for node in model.graph]
    assert kinds.count("QuantizeLinear") == 2 and kinds.count("DequantizeLinear") == 5
    assert {str(n.inputs[2].dtype) for n in model.graph if n.op_type == "QuantizeLinear"} == {"INT8", "UINT8"}


def test_what_has_no_range_or_is_kept_stays_and_says_why() -> None:
    model = parse(TEXT, WEIGHTS)
    names = [n.name for n in model.graph]
    for node, name in zip(model.graph, ["first", "relu", "second", "third", "sum", "last"]):
        node.name = name
    assert len(names) == 6
    found = {d.node: d for d in quantise(model.graph, Ranges({"r": Range(0, 1)}).keep("third"))}
    assert "know no tensor 'x'" in found["first"].why and found["second"].now == "int8"
    assert found["third"].why == "it was asked to stay"


def test_a_sum_that_is_kept_reads_no_codes() -> None:
    def second_operand(by_rule: bool, by_name: bool) -> str:
        model, ranges = parse(TEXT, WEIGHTS), Ranges({"r": Range(0, 1)})
        total = next(node for node in model.graph if node.outputs[0].name == "s")
        total.name = "sum"
        quantise(model.graph, ranges.keep("sum") if by_name else ranges, [total] if by_rule else [])
        return str(total.inputs[1].name)

    assert second_operand(False, False) == "r/quantised"
    assert second_operand(True, False) == second_operand(False, True) == "r"


def test_a_weight_that_two_products_share_is_quantised_once() -> None:
    text = "g (float[2,8] x) => (float[2,8] y) { a = MatMul(x, w)  y = MatMul(a, w) }"
    model = parse(text, {"w": normal(8, 8)})
    quantise(model.graph, Ranges({"x": Range(-3, 3), "a": Range(-9, 9)}))
    assert [n.op_type for n in model.graph].count("DequantizeLinear") == 3


def test_what_depthwise_convolutions_alone_read_has_a_scale_for_each_channel() -> None:
    x = normal(1, 4, 6, 6, seed=3) * np.array([0.01, 0.1, 1, 10], np.float32).reshape(4, 1, 1)
    largest = tuple(np.abs(x).max((0, 2, 3)).tolist())
    ranges = Ranges({"x": Range(float(x.min()), float(x.max()))}, magnitudes={"x": largest})
    weights = {"w": normal(4, 1, 3, 3), "p": normal(2, 4, 1, 1)}
    depthwise = "g (float[1,4,6,6] x) => (float[1,4,4,4] y) { y = Conv<group=4>(x, w) }"
    exact, model = run(parse(depthwise, weights), x), parse(depthwise, weights)
    quantise(model.graph, ranges)
    error = np.abs(run(model, x) - exact).max((0, 2, 3)) / np.abs(exact).max((0, 2, 3))
    assert error.max() < 0.02  # with one scale the first channel is all zeros
    shared = "g (float[1,4,6,6] x) => (float[1,4,4,4] y, float[1,2,6,6] z) { y = Conv<group=4>(x, w)   z = Conv(x, p) }"
    model = parse(shared, weights)
    quantise(model.graph, ranges)
    (quantize,) = (n for n in model.graph if n.op_type == "QuantizeLinear")
    assert quantize.inputs[1].shape == ()


def test_a_model_without_a_product_for_codes_is_told_once() -> None:
    text = "g (float[2,8] x, float[8,8] v) => (float[2,8] y) { y = MatMul(x, v) }"
    rows = quantise(parse(text).graph, Ranges({}))
    told = "none of the 1 products of the model multiplies codes: 1 because both sides are computed"
    assert list(range_notes(rows, Ranges({}))) == list(range_notes(rows, Ranges({}, notes=(told,)))) == [told]


def test_a_row_names_the_tensor_that_has_no_range() -> None:
    rows = quantise(parse(TEXT, WEIGHTS).graph, Ranges({"r": Range(0, 1)}))
    assert sorted(row.missing for row in rows) == ["", "", "x"]
    assert next(range_notes(rows, Ranges({}))).startswith("1 of 3 products read a tensor")
