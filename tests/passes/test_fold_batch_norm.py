"""fold_batch_norm.py: statistics go into weights."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.fold_batch_norm import FoldBatchNorm, SplitBatchNorm
from tests.passes.golden import assert_fires_once, build, golden, why
from tests.passes.models import apply, assert_same_answers, parse, random_feeds, run_ort

STATISTICS = dict.fromkeys("gbm", (4,)) | {"v": np.array([0.5, 1.0, 1.5, 2.0])}
BN = "[bn] y = BatchNormalization(h, g, b, m, v)"


def test_into_a_conv_without_bias():
    model = build("float[2,3,5,5] x", f"[conv] h = Conv <pads=[1,1,1,1]> (x, w) {BN}", w=(4, 3, 3, 3), **STATISTICS)
    before = model.clone()
    assert assert_fires_once(model, FoldBatchNorm()) == ["y = Conv(x, weight[4,3,3,3], bias[4]) pads=(1,1,1,1)"]
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize("groups", [1, 2])
def test_into_a_conv_transpose_with_bias_and_groups(groups: int):
    model = build(
        "float[1,6,4,4] x",
        f"h = ConvTranspose <group={groups}> (x, w, c) {BN}",
        w=(6, 4 // groups, 2, 2),
        c=(4,),
        **STATISTICS,
    )
    before = model.clone()
    assert assert_fires_once(model, FoldBatchNorm())[0].startswith("y = ConvTranspose(x, weight")
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize("transposed", [0, 1])
def test_into_a_gemm_with_alpha_beta_and_either_layout(transposed: int):
    shape = (4, 5) if transposed else (5, 4)
    body = f"h = Gemm <transB={transposed}, alpha=0.5, beta=2.0> (x, w, c) {BN}"
    model = build("float[3,5] x", body, w=shape, c=(1, 4), **STATISTICS)
    before = model.clone()
    assert assert_fires_once(model, FoldBatchNorm())[0].startswith("y = Gemm(x, weight")
    assert_same_answers(before, model, random_feeds(before))


def test_into_a_matmul_that_becomes_a_gemm():
    model = build("float[3,5] x", f"h = MatMul(x, w) {BN}", w=(5, 4), **STATISTICS)
    before = model.clone()
    assert assert_fires_once(model, FoldBatchNorm()) == ["y = Gemm(x, weight[5,4], bias[4])"]
    assert_same_answers(before, model, random_feeds(before))


def test_alone_it_becomes_a_mul_and_an_add():
    model = build("float[2,4,3,3] h", BN, **STATISTICS)
    before = model.clone()
    lines = assert_fires_once(model, FoldBatchNorm(), SplitBatchNorm())
    assert [line.split(" = ")[1].split("(")[0] for line in lines] == ["Mul", "Add"]
    assert "scale[4,1,1]" in lines[0] and "shift[4,1,1]" in lines[1]
    assert_same_answers(before, model, random_feeds(before))


def test_on_rank_2_the_split_keeps_the_channels_last():
    model = build("float[3,4] h", BN, **STATISTICS)
    before = model.clone()
    assert "scale[4]" in assert_fires_once(model, SplitBatchNorm())[0]
    assert_same_answers(before, model, random_feeds(before))


def test_a_conv_with_two_users_is_left_alone():
    model = build(
        "float[1,3,5,5] x",
        "h = Conv(x, w) z = Relu(h) [bn] k = BatchNormalization(h, g, b, m, v) y = Add(k, z)",
        w=(4, 3, 1, 1),
        **STATISTICS,
    )
    assert why(model, FoldBatchNorm(), "bn") == "Conv result h has 2 users or is an output of the graph"


def test_a_variable_weight_is_left_alone():
    model = build("float[1,3,5,5] x, float[4,3,1,1] w", f"[conv] h = Conv(x, w) {BN}", **STATISTICS)
    assert why(model, FoldBatchNorm(), "bn") == "the weight of conv is not a float constant"


def test_a_variable_bias_is_left_alone():
    model = build("float[1,3,5,5] x, float[4] c", f"[conv] h = Conv(x, w, c) {BN}", w=(4, 3, 1, 1), **STATISTICS)
    assert why(model, FoldBatchNorm(), "bn") == "the bias of conv is not constant"


def test_a_full_matrix_as_gemm_bias_is_left_alone():
    model = build("float[3,5] x", f"[gemm] h = Gemm(x, w, c) {BN}", w=(5, 4), c=(3, 4), **STATISTICS)
    assert why(model, FoldBatchNorm(), "bn") == "the bias of gemm has shape [3, 4], not one number per channel"


def test_a_batched_weight_is_left_alone():
    model = build("float[2,4,5] x", f"[mm] h = MatMul(x, w) {BN}", w=(2, 5, 4), **STATISTICS)
    assert why(model, FoldBatchNorm(), "bn") == "the weight of mm has rank 3, not 2"


def test_after_an_operator_without_weights_it_is_not_folded():
    model = build("float[1,4,5,5] x", f"h = Relu(x) {BN}", **STATISTICS)
    assert why(model, FoldBatchNorm(), "bn") == "h is computed by Relu, which has no weights"


def test_on_a_graph_input_it_is_not_folded():
    assert why(build("float[1,4,5,5] h", BN, **STATISTICS), FoldBatchNorm(), "bn") == "h is not computed in this graph"


def test_variable_statistics_are_left_alone():
    text = f"agraph (float[1,2,3] h, float[2] g, float[2] b, float[2] m, float[2] v) => (y) {{ {BN} }}"
    model = parse(text)
    for rule in (FoldBatchNorm(), SplitBatchNorm()):
        assert why(model, rule, "bn") == "the scale of bn is not constant"


def test_training_mode_is_left_alone():
    body = "[bn] y, rm, rv = BatchNormalization <training_mode=1> (h, g, b, m, v)"
    assert why(build("float[1,4,5] h", body, **STATISTICS), SplitBatchNorm(), "bn") == "bn is in training mode"


def test_a_zero_variance_without_epsilon_is_left_alone():
    model = build("float[1,4,5] h", "[bn] y = BatchNormalization <epsilon=0.0> (h, g, b, m, v)", **STATISTICS)
    model.graph.initializers["v"].const_value = ir.tensor(np.zeros(4, np.float32))
    assert why(model, SplitBatchNorm(), "bn") == "bn has a variance of 0, so its scale is not finite"


def test_an_unknown_rank_cannot_be_split():
    model = build("float[1,4,5] h", BN, **STATISTICS)
    model.graph.inputs[0].shape = None
    assert why(model, SplitBatchNorm(), "bn") == "the rank or the dtype of the input of bn is unknown"


def test_a_weight_that_would_overflow_is_left_alone():
    model = build("float[1,3,5,5] x", f"[conv] h = Conv(x, w) {BN}", w=(4, 3, 1, 1), **STATISTICS)
    model.graph.initializers["w"].const_value = ir.tensor(np.full((4, 3, 1, 1), 3e38, np.float32))
    model.graph.initializers["g"].const_value = ir.tensor(np.full(4, 100, np.float32))
    assert "too large for float32" in why(model, FoldBatchNorm(), "bn")


def test_the_weight_of_another_conv_is_not_changed():
    body = "a = Conv(x, w) h = Conv(x, w) [bn] k = BatchNormalization(h, g, b, m, v) y = Add(a, k)"
    model = build("float[1,3,5,5] x", body, w=(4, 3, 1, 1), **STATISTICS)
    before = model.clone()
    assert apply(model, FoldBatchNorm())[0] == 1
    assert golden(model)[0] == "a = Conv(x, w[4,3,1,1])"
    assert_same_answers(before, model, random_feeds(before))


def test_in_a_graph_that_quantises_by_range_it_rounds_as_onnxruntime():
    body = f"{BN} c, s, z = DynamicQuantizeLinear (y)"
    model = build("float[1,4,5] h", body, **STATISTICS)
    before = model.clone()
    assert apply(model, SplitBatchNorm())[0] == 1
    feeds = random_feeds(before)
    for want, got in zip(run_ort(before, feeds), run_ort(model, feeds), strict=True):
        np.testing.assert_array_equal(got, want)
