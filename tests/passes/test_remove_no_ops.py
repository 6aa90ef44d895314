"""remove_no_ops.py: what changes nothing goes, what might change something stays and says why."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import burnish
from burnish.passes.remove_no_ops import RULES, holds_exactly
from tests.passes.models import add_constants, apply, assert_same_answers, operators, parse, random_feeds

C = """<float zero = {0.0}, float one = {1.0}, float[1] one1 = {1.0}, int64[2] same = {2, 4},
    float[4] ones = {1.0,1.0,1.0,1.0}>"""
REMOVED = {
    "identity": "a = Identity (x)",
    "dropout": "a = Dropout (x)",
    "cast": "a = Cast <to = 1> (x)",
    "reshape": "a = Reshape (x, same)",
    "expand": "a = Expand (x, same)",
    "expand_by_sizes": "s = Shape (x) a = Expand (x, s)",
    "tile": "t = Constant <value_ints = [1, 1]> () a = Tile (x, t)",
    "slice": "s = Constant <value_ints = [0]> () e = Constant <value_ints = [9]> () a = Slice (x, s, e)",
    "pad": "p = Constant <value_ints = [0, 0, 0, 0]> () a = Pad (x, p)",
    "transpose": "a = Transpose <perm = [0, 1]> (x)",
    "concat": "a = Concat <axis = 1> (x)",
    "split": "a = Split <num_outputs = 1> (x)",
    "sum": "a = Sum (x)",
    "add_zero": "a = Add (x, zero)",
    "zero_add": "a = Add (zero, x)",
    "sub_zero": "a = Sub (x, zero)",
    "mul_ones": "a = Mul (x, ones)",
    "one_mul": "a = Mul (one, x)",
    "div_one": "a = Div (x, one1)",
    "pow_one": "a = Pow (x, one)",
    "reduce_nothing": "a = ReduceSum <noop_with_empty_axes = 1> (x)",
    "gather_all": "i = Constant <value_ints = [0, 1]> () a = Gather (x, i)",
    "clip": "a = Clip (x)",
    "two_negations": "m = Neg (x) a = Neg (m)",
    "exact_casts": "m = Cast <to = 11> (x) a = Cast <to = 1> (m)",
}
KEPT = {
    "sub_from_zero": ("a = Sub (zero, x)", "neither operand"),
    "reshape": ("s = Constant <value_ints = [4, 2]> () b = Reshape (x, s) a = Reshape (b, same)", "another shape"),
    "reversed": (
        "s = Constant <value_ints = [-1]> () e = Constant <value_ints = [-9]> () z = Constant <value_ints = [1]> () "
        "a = Slice (x, s, e, z, s)", "steps"),
    "shifting_pad": ("p = Constant <value_ints = [0, 1, 0, -1]> () a = Pad (x, p)", "pads"),
    "transpose": ("t = Transpose (x) a = Transpose (t)", "reverses"),
    "inexact_casts": ("m = Cast <to = 10> (x) a = Cast <to = 1> (m)", "does not hold every"),
    "gather_reversed": ("i = Constant <value_ints = [1, 0]> () a = Gather (x, i)", "reorders"),
    "reduce": ("b = ReduceSum <keepdims = 1> (x) a = Add (x, b)", "longer than 1"),
    "clip": ("a = Clip (x, zero)", "bounds"),
    "concat": ("b = Concat <axis = 0> (x, x) t = Constant <value_ints = [0, 2]> () a = Gather (b, t)", "2 inputs"),
}  # fmt: skip


def wrap(body: str) -> ir.Model:
    return parse(f"agraph (float[2,4] x) => (float[2,4] y) {C} {{ {body} y = Relu (a) }}")


@pytest.mark.parametrize("case", REMOVED)
def test_what_changes_nothing_is_removed(case: str):
    model = wrap(REMOVED[case])
    before = model.clone()
    assert apply(model, *RULES)[0] >= 1
    assert [op for op in operators(model) if op not in ("Constant", "Neg", "Cast", "Shape")] == ["Relu"]
    assert model.graph.node(-1).inputs[0] is model.graph.inputs[0]
    assert_same_answers(before, model, random_feeds(before))
    assert apply(model, *RULES)[0] == 0


def test_an_expand_whose_target_is_data_is_kept_so_that_the_run_asks_whether_it_fits():
    text = "agraph (float[4,3] x, int64[2] s) => (float[4,3] y) { y = Expand (x, s) }"
    model = parse(text)
    assert apply(model, *RULES)[0] == 0
    plan = burnish.build(ir.to_proto(parse(text)))
    x = np.ones((4, 3), np.float32)
    with burnish.load(plan, threads=1) as engine:
        assert engine(x=x, s=np.array([1, 3]))["y"].shape == (4, 3)
        with pytest.raises(burnish.BurnishError) as refused:
            engine(x=x, s=np.array([5, 3]))
    assert refused.value.code == "E509" and "Expand" in refused.value.where


def test_an_expand_to_the_sizes_of_another_input_is_kept_so_that_the_run_asks_whether_it_fits():
    text = "agraph (float[4,3] x, float[n,3] w) => (float[4,3] y) { s = Shape (w) y = Expand (x, s) }"
    plan = burnish.build(ir.to_proto(parse(text)), profile={"w": [(1, 3), (4, 3), (9, 3)]})
    x = np.ones((4, 3), np.float32)
    with burnish.load(plan, threads=1) as engine:
        assert engine(x=x, w=x[:1])["y"].shape == engine(x=x, w=x)["y"].shape == (4, 3)
        with pytest.raises(burnish.BurnishError, match=r"E509: sizes 4 and 2 do(.|\n)*Expand"):
            engine(x=x, w=x[:2])


@pytest.mark.parametrize("case", KEPT)
def test_what_may_change_something_is_left_alone(case: str):
    body, reason = KEPT[case]
    model = wrap(body)
    changes, report = apply(model, *RULES)
    assert changes == 0
    assert any(reason in d.reason for d in report.why()), report.why()


def test_pooling_over_one_pixel_and_a_resize_to_the_same_size_are_removed():
    text = """agraph (float[1,2,3,3] x) => (float[1,2,3,3] y) <float[4] s = {1.0, 1.0, 1.0, 1.0}> {
        a = MaxPool <kernel_shape = [1,1]> (x) b = Resize (a, , s) c = ReduceMean (b) y = Mul (b, c) }"""
    model = parse(text)
    before = model.clone()
    assert apply(model, *RULES)[0] == 2 and operators(model) == ["ReduceMean", "Mul"]
    assert_same_answers(before, model, random_feeds(before))


def test_a_neutral_constant_that_broadcasts_is_kept():
    model = parse(
        "agraph (float[4] x) => (float[2,4] y) { y = Mul (x, w) }".replace("(float[4] x)", "(float[4] x, float[2,4] w)")
    )
    add_constants(model, {"w": np.ones((2, 4), np.float32)})
    changes, report = apply(model, *RULES)
    assert changes == 0 and "broadcasts" in report.why(rule="RemoveNoOp")[0].reason


def test_symbolic_shapes_prove_a_no_op_only_where_names_agree():
    for shape, removed in (("n,4", 1), ("m,4", 0)):
        text = f"""agraph (float[n,4] x, float[{shape}] z, int64[2] s) => (float[n,4] y) {{
            a = Reshape (z, s) y = Add (x, a) }}"""
        model = parse(text)
        model.graph.node(0).outputs[0].shape = ir.Shape(["n", 4])
        assert apply(model, *RULES)[0] == removed


def test_an_identity_that_names_an_output_is_kept_only_where_it_must_be():
    text = """agraph (float[2] x) => (float[2] y, float[2] z, float[2] w) {
        h = Relu (x) y = Identity (h) z = Identity (h) w = Identity (x) }"""
    model = parse(text)
    before = model.clone()
    apply(model, *RULES)
    assert operators(model) == ["Relu", "Identity", "Identity"]
    assert [v.name for v in model.graph.outputs] == ["y", "z", "w"]
    assert_same_answers(before, model, random_feeds(before))
    assert apply(model, *RULES)[0] == 0


def test_dropout_whose_mask_is_read_or_that_may_train_is_kept():
    model = parse("agraph (float[2] x) => (float[2] y, bool[2] m) { y, m = Dropout (x) }")
    changes, report = apply(model, *RULES)
    assert changes == 0 and "m is used" in report.why()[0].reason
    model = parse("agraph (float[2] x, float r, bool t) => (float[2] y) { y = Dropout (x, r, t) }")
    assert "training" in apply(model, *RULES)[1].why()[0].reason


def test_casts_are_exact_where_the_wide_type_holds_every_value():
    yes = [("FLOAT", "FLOAT16"), ("DOUBLE", "BFLOAT16"), ("INT64", "INT32"), ("FLOAT", "INT16"), ("INT16", "UINT8")]
    no = [("FLOAT16", "BFLOAT16"), ("UINT32", "INT8"), ("FLOAT", "INT32"), ("BOOL", "INT8"), ("INT8", "UINT8")]
    assert all(holds_exactly(ir.DataType[w], ir.DataType[n]) for w, n in yes)
    assert not any(holds_exactly(ir.DataType[w], ir.DataType[n]) for w, n in no)
