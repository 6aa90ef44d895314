"""narrow.py: products and what follows them become narrow, the rest stays f32 for a reason, the surface keeps types."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from burnish.ops.inference.infer import infer
from burnish.precision.narrow import narrow
from burnish.precision.precision import parse_precision
from tests.precision.graphs import assert_within_roundings, narrowed, normal, parse, run, types

MLP = (
    "m (float[3,8] x) => (float[3,4] y) { h = MatMul(x, w) b = Add(h, c) r = Relu(b) s = MatMul(r, v) y = Softmax(s) }"
)
WEIGHTS = {"w": normal(8, 16), "c": normal(16, seed=1), "v": normal(16, 4, seed=2)}


@pytest.mark.parametrize(("word", "element"), [("fp16", "FLOAT16"), ("bf16", "BFLOAT16")])
def test_products_and_their_followers_narrow_between_an_f32_input_and_an_f32_output(word: str, element: str) -> None:
    model = parse(MLP, WEIGHTS)
    decisions = narrowed(model, word)
    assert {d.now for d in decisions.values()} == {element.replace("LOAT", "").lower()}
    assert [n.op_type for n in model.graph] == ["Cast", "MatMul", "Add", "Relu", "MatMul", "Softmax", "Cast"]
    assert {n.op_type: str(n.outputs[0].dtype) for n in list(model.graph)[:-1]}["Softmax"] == element
    assert {str(v.dtype) for v in (*model.graph.inputs, *model.graph.outputs)} == {"FLOAT"}
    assert model.graph.outputs[0].name == "y"


def test_answers_are_those_of_the_f32_graph_within_a_few_roundings_of_f16() -> None:
    feeds = {"x": normal(3, 8, seed=7)}
    wide, model = parse(MLP, WEIGHTS), parse(MLP, WEIGHTS)
    (want,) = run(wide, feeds)
    narrowed(model)
    (got,) = run(model, feeds)
    assert got.dtype == np.float32
    assert_within_roundings(got, want, wide)
    assert not np.array_equal(got, want)


def test_an_output_is_narrow_where_that_is_asked_for() -> None:
    model = parse(MLP, WEIGHTS)
    narrowed(model, "fp16", "fp16")
    assert types(model)["Softmax"] == "FLOAT16"
    assert (model.graph.outputs[0].name, str(model.graph.outputs[0].dtype)) == ("y", "FLOAT16")
    only_outputs = parse(MLP, WEIGHTS)
    assert narrowed(only_outputs, "fp32", "bf16") == {}
    assert (types(only_outputs)["MatMul"], str(only_outputs.graph.outputs[0].dtype)) == ("FLOAT", "BFLOAT16")


def test_an_input_that_is_an_output_too_is_left_alone() -> None:
    model = parse("m (float[3,8] x) => (float[3,16] y, float[3,8] x) { y = MatMul(x, w) }", WEIGHTS)
    narrowed(model)
    assert [v.name for v in model.graph.outputs] == ["y", "x"]
    assert {str(v.dtype) for v in model.graph.outputs} == {"FLOAT"}


@pytest.mark.parametrize(
    ("value", "why"), [(1e5, "f16 ends at 65504"), (1e-10, "vanishes in f16"), (-3e38, "f16 ends at 65504")]
)
def test_weights_that_f16_cannot_hold_keep_their_node_in_f32(value: float, why: str) -> None:
    weight = np.full((8, 4), value, np.float32)
    model = parse("m (float[3,8] x) => (float[3,4] y) { y = MatMul(x, w) }", {"w": weight})
    assert why in narrowed(model)["MatMul"].why
    assert [n.op_type for n in model.graph] == ["MatMul"]
    held = parse("m (float[3,8] x) => (float[3,4] y) { y = MatMul(x, w) }", {"w": weight})
    assert narrowed(held, "bf16")["MatMul"].now == "bf16"


@pytest.mark.parametrize("text", [
    "h = MatMul(x, w) y = Relu(h)", "y = MatMul(x, w)", "y = Gemm(x, w, b)",
])  # fmt: skip
def test_tiny_weights_are_lifted_by_a_power_of_two_that_the_result_gives_back(text: str) -> None:
    graph, tiny = f"m (float[3,8] x) => (float[3,4] y) {{ {text} }}", {"w": normal(8, 4) * np.float32(1e-8)}
    if "b" in text:
        tiny["b"] = normal(4, seed=2) * np.float32(1e-8)
    feeds = {"x": normal(3, 8, seed=1) * np.float32(1e4)}
    wide, model = parse(graph, tiny), parse(graph, tiny)
    (want,) = run(wide, feeds)
    assert {d.now for d in narrowed(model).values()} == {"f16"}
    assert [n.op_type for n in model.graph][2] == "Mul"
    assert_within_roundings(run(model, feeds)[0], want, wide)


def test_a_bias_may_vanish_and_an_epsilon_may_not() -> None:
    text = "m (float[3,8] x) => (float[3,16] y) { h = MatMul(x, w) y = Add(h, e) }"
    assert narrowed(parse(text, WEIGHTS | {"e": np.full(16, 1e-9, np.float32)}))["Add"].now == "f16"
    assert "vanishes" in narrowed(parse(text, WEIGHTS | {"e": np.float32(1e-9)}))["Add"].why


def test_a_bound_that_means_none_becomes_the_largest_of_the_type() -> None:
    text = "m (float[3,8] x) => (float[3,16] y) { h = MatMul(x, w) y = Clip(h, low, high) }"
    model = parse(text, WEIGHTS | {"low": np.float32(-3.4e38), "high": np.float32(6)})
    assert narrowed(model)["Clip"].now == "f16"
    low = next(n for n in model.graph if n.op_type == "Clip").inputs[1]
    assert low is not None and low.const_value is not None
    assert float(low.const_value.numpy()) == -65504.0


@pytest.mark.parametrize("operator", ["Exp", "Sqrt", "ReduceSum", "Floor", "Log"])
def test_what_loses_digits_or_range_stays_f32_and_so_does_what_follows_it(operator: str) -> None:
    text = f"m (float[3,8] x) => (float[?,?] y) {{ h = MatMul(x, w) e = {operator}(h) y = Neg(e) }}"
    model = parse(text, WEIGHTS)
    decisions = narrowed(model)
    assert decisions["MatMul"].now == "f16"
    assert (decisions[operator].now, decisions["Neg"].now) == ("f32", "f32")
    assert decisions[operator].why and "which it reads, is f32" in decisions["Neg"].why
    assert types(model)[operator] == "FLOAT"


def test_division_by_a_constant_follows_and_by_a_tensor_does_not() -> None:
    text = "m (float[3,8] x) => (float[3,16] y) { h = MatMul(x, w) y = Div(h, %s) }"
    assert narrowed(parse(text % "c", WEIGHTS))["Div"].now == "f16"
    assert narrowed(parse(text % "h", WEIGHTS))["Div"].now == "f32"


def test_what_reads_only_the_input_stays_f32_and_a_table_does_not() -> None:
    text = """m (float[3,8] x, int64[3] i) => (float[3,16] y) {
        s = Mul(x, x) t = Gather(g, i) h = MatMul(s, w) y = Add(h, t) }"""
    model = parse(text, WEIGHTS | {"g": normal(20, 16)})
    decisions = narrowed(model)
    assert {op: d.now for op, d in decisions.items()} == {"Mul": "f32", "Gather": "f16", "MatMul": "f16", "Add": "f16"}


def test_one_cast_serves_all_that_read_a_value() -> None:
    text = """m (float[3,8] x) => (float[3,16] y) {
        a = MatMul(x, w) b = MatMul(x, w) e = Exp(a) f = Log(a) g = Add(e, f) y = Add(g, b) }"""
    model = parse(text, WEIGHTS)
    narrowed(model)
    assert sum(n.op_type == "Cast" for n in model.graph) == 3  # x narrowed, a and b widened


def test_norms_keep_their_statistics_and_attention_its_mask_in_f32() -> None:
    text = """m (float[1,2,4,8] q, float[1,1,4,4] mask) => (float[1,2,4,8] y) {
        h = MatMul(q, w) a = Attention(h, h, h, mask) n = LayerNormalization(a, g, b) y = Identity(n) }"""
    weights = {"w": normal(8, 8), "g": normal(8), "b": normal(8, seed=3)}
    model = parse(text, weights, opset=23)
    decisions = narrowed(model)
    assert {decisions[op].now for op in ("MatMul", "Attention", "LayerNormalization")} == {"f16"}
    attention = next(n for n in model.graph if n.op_type == "Attention")
    assert attention.inputs[3] is model.graph.inputs[1]


CHOICE = """m (float[3,8] x, bool p) => (float[3,16] y) {{
    h = MatMul(x, w)
    d = If(p) <then_branch = t () => (float[3,16] a) {{ {then} }}, else_branch = e () => (float[3,16] b) {{ {other} }}>
    y = Relu(d) }}"""
SIDES = {
    "both narrow": ("m = MatMul(h, u) a = Sigmoid(m)", "b = Neg(h)", "f16"),
    "one wide": ("m = MatMul(h, u) a = Exp(m)", "b = Neg(h)", "f32"),
    "both wide": ("a = Exp(h)", "s = Exp(h) b = Sqrt(s)", "f32"),
    "captured": ("a = Identity(h)", "r = Exp(h) b = MatMul(r, u)", "f16"),
    "nested": (
        "a = If(p) <then_branch = tt () => (float[3,16] k) { k = MatMul(h, u) }, "
        "else_branch = te () => (float[3,16] q) { q = Tanh(h) }>",
        "b = MatMul(h, u)",
        "f16",
    ),
    "tiny weights": ("a = MatMul(h, z)", "b = MatMul(h, z)", "f16"),
}


@pytest.mark.parametrize("then, other, now", SIDES.values(), ids=SIDES.keys())
@pytest.mark.parametrize("p", [True, False])
def test_the_sides_of_an_if_narrow_and_its_result_where_both_end_narrow(
    then: str, other: str, now: str, p: bool
) -> None:
    weights = {**WEIGHTS, "u": normal(16, 16, seed=3), "z": 1e-7 * normal(16, 16, seed=4)}
    text = CHOICE.format(then=then, other=other)
    feeds = {"x": normal(3, 8), "p": np.array(p)}
    wide, model = parse(text, weights), parse(text, weights)
    (want,) = run(wide, feeds)
    decisions = narrowed(model)
    assert decisions["If"].now == now and decisions["Relu"].now == now, decisions
    assert types(model)["If"] == {"f16": "FLOAT16", "f32": "FLOAT"}[now]
    assert decisions["MatMul"].now == "f16"
    assert_within_roundings(run(model, feeds)[0], want, wide)


def test_a_cast_in_one_side_of_an_if_is_not_read_by_the_other() -> None:
    sides = {"then": "a = MatMul(x2, u)", "other": "b = MatMul(x2, u)"}
    text = CHOICE.format(**sides).replace("h = MatMul(x, w)", "h = MatMul(x, w) x2 = Exp(h)")
    model = parse(text, {**WEIGHTS, "u": normal(16, 16, seed=3)})
    narrowed(model)
    names = [str(n.name) for n in model.graph.all_nodes() if n.op_type == "Cast" and n.inputs[0].name == "x2"]
    assert len(names) == len(set(names)) == 2
    feeds = {"x": normal(3, 8), "p": np.array(False)}
    assert np.isfinite(run(model, feeds)[0]).all()


def test_an_if_whose_sides_differ_in_shape_and_a_loop_stay_as_they_are_and_read_f32() -> None:
    text = """m (float[3,8] x, bool p, int64 n, bool go) => (float[k] y, float[3,16] last) {
        h = MatMul(x, w)
        y = If(p) <then_branch = t () => (float[48] a) { a = Reshape(h, flat) },
                   else_branch = e () => (float[i] b) { g = Greater(h, zero) b = Compress(h, mask) }>
        last = Loop(n, go, h) <body = turn (int64 i, bool g, float[3,16] s) => (bool more, float[3,16] out) {
            more = Identity(g) out = Add(s, h) }> }"""
    weights = {**WEIGHTS, "flat": np.array([48]), "zero": np.float32(0), "mask": np.array([True] * 5)}
    feeds = {"x": normal(3, 8), "p": np.array(True), "n": np.array(2), "go": np.array(True)}
    wide, model = parse(text, weights), parse(text, weights)
    want = run(wide, feeds)
    decisions = narrowed(model)
    assert "different shapes" in decisions["If"].why and "feed back" in decisions["Loop"].why
    for name, got, expected in zip(("y", "last"), run(model, feeds), want, strict=True):
        assert_within_roundings(got, expected, wide, name)


def test_an_operator_that_the_opset_does_not_define_for_the_type_stays_f32() -> None:
    text = "m (float[1,2,6,6] x) => (float[1,3,4,4] y) { y = Conv(x, w) }"
    weights = {"w": normal(3, 2, 3, 3)}
    assert "ONNX does not define it for bf16" in narrowed(parse(text, weights, opset=21), "bf16")["Conv"].why
    assert narrowed(parse(text, weights, opset=22), "bf16")["Conv"].now == "bf16"


def test_integers_take_no_part() -> None:
    model = parse("m (int64[3] i) => (int64[3] y) { y = Add(i, i) }")
    assert narrowed(model) == {}
    assert [n.op_type for n in model.graph] == ["Add"]


def test_a_second_run_changes_nothing() -> None:
    model = parse(MLP, WEIGHTS)
    narrowed(model)
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    assert {d.now for d in narrowed(model).values()} <= {"f32"}
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("word", "bits", "zero", "has_pairs", "now"),
    [("bf16", 4, None, True, "bf16"), ("bf16", 2, np.uint8, True, "bf16"), ("bf16", 8, None, True, "f32"),
     ("bf16", 4, np.float32, True, "f32"), ("bf16", 4, None, False, "f32"), ("fp16", 4, None, True, "f32")],
)  # fmt: skip
def test_data_of_codes_are_bf16_where_codes_are_multiplied_as_bf16(
    word: str, bits: int, zero: type[np.generic] | None, has_pairs: bool, now: str
) -> None:
    inputs = "x, w, s, z" if zero else "x, w, s"
    text = f"""<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]> m (float[3,64] x) => (float[3,4] y)
    {{ y = com.microsoft.MatMulNBits <K = 64, N = 4, bits = {bits}, block_size = 32> ({inputs}) }}"""
    proto = onnx.parser.parse_model(text)
    shape = (4, 2) if zero is np.float32 else (4, 1)
    arrays = {"w": np.full((4, 2, 4 * bits), 77, np.uint8), "s": np.ones((4, 2), np.float32)}
    arrays |= {"z": np.ones(shape, zero)} if zero else {}
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in arrays.items())
    model = ir.from_proto(proto)
    (found,) = narrow(model.graph, infer(model.graph), parse_precision(word, None), has_pairs)
    assert found.now == now
    (product,) = (n for n in model.graph if n.op_type == "MatMulNBits")
    narrow_types = [str(v.dtype) for v in (product.inputs[0], product.inputs[2], product.outputs[0])]
    assert narrow_types == (["BFLOAT16", "FLOAT", "BFLOAT16"] if now == "bf16" else ["FLOAT"] * 3)
