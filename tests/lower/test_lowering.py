"""Lowering: the program computes what ONNX Runtime computes, in the kernels that it should take."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

from burnish.building.analyze import analyze
from burnish.errors import UserError
from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Branch, Contraction, Launch, Loops, Program, ReferenceStep, each_launch
from burnish.lower.program import plan_memory
from burnish.ops.language.expr import walk
from tests.lower.run_program import Run

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(7)


def model(text: str, constants: dict[str, Any] | None = None) -> onnx.ModelProto:
    """An opset-21 model from ONNX's text form; constants: arrays, or shapes of random ones."""
    parsed = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> {text}')
    for name, value in (constants or {}).items():
        array = RNG.standard_normal(value).astype(np.float32) if isinstance(value, tuple) else np.asarray(value)
        parsed.graph.initializer.append(numpy_helper.from_array(array, name))
    return parsed


def feeds_of(parsed: onnx.ModelProto, symbols: dict[str, int]) -> dict[str, Array]:
    feeds = {}
    for value in parsed.graph.input:
        tensor = value.type.tensor_type
        shape = [symbols[d.dim_param] if d.dim_param else d.dim_value for d in tensor.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        feeds[value.name] = RNG.standard_normal(shape).astype(dtype) if dtype == np.float32 else np.zeros(shape, dtype)
    return feeds


def check(
    parsed: onnx.ModelProto,
    symbols: dict[str, int] | None = None,
    feeds: dict[str, Array] | None = None,
    abilities: Abilities | None = None,
) -> Program:
    """Lower it, run it with numpy, compare with ONNX Runtime; symbols become dynamic dims of the program."""
    symbols = symbols or {}
    feeds = feeds or feeds_of(parsed, symbols)
    profile = {n: ([1] * x.ndim, x.shape, [8 * max(s, 1) for s in x.shape]) for n, x in feeds.items()}
    fixed = None if symbols else {n: x.shape for n, x in feeds.items()}
    found = analyze(
        parsed, shapes=fixed, profile=_dynamic(parsed, profile) if symbols else None, abilities=abilities or Abilities()
    )
    plan_memory(found.program)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(parsed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    expected = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))
    got = Run(found.program, feeds, symbols).run()
    for name, array in expected.items():
        scale = max(float(np.abs(array).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=2e-5 * scale, err_msg=name)
    return found.program


def _dynamic(parsed: onnx.ModelProto, profile: dict[str, Any]) -> dict[str, Any]:
    """min and max of fixed axes are their value."""
    found = {}
    for value in parsed.graph.input:
        named = [bool(d.dim_param) for d in value.type.tensor_type.shape.dim]
        _, opt, _ = profile[value.name]
        found[value.name] = tuple(tuple(x if n else o for n, o, x in zip(named, opt, s)) for s in profile[value.name])
    return found


def kinds(program: Program) -> Counter[str]:
    return Counter(type(x.kernel).__name__ for x in each_launch(program.steps))


def test_bias_activation_and_residual_become_the_epilogue_of_a_convolution() -> None:
    text = """m (float[1,8,9,7] x) => (float[1,8,9,7] y) {
        a = Conv <pads=[1,1,1,1]> (x, w, b) r = Relu(a) c = Conv <pads=[1,1,1,1]> (r, v) s = Add(c, r) y = Relu(s) }"""
    program = check(model(text, {"w": (8, 8, 3, 3), "b": (8,), "v": (8, 8, 3, 3)}))
    assert kinds(program)["Contraction"] == 2
    assert kinds(program)["Loops"] == 1  # the copy that pads the input


CONVOLUTIONS = {
    "stride 2": ("Conv <strides=[2,2], pads=[1,1,1,1]>", (8, 6, 3, 3)),
    "dilation": ("Conv <dilations=[2,2], pads=[2,2,2,2]>", (5, 6, 3, 3)),
    "asymmetric pads": ("Conv <pads=[0,2,1,0]>", (4, 6, 2, 3)),
    "groups": ("Conv <group=2, pads=[1,1,1,1]>", (8, 3, 3, 3)),
    "depthwise": ("Conv <group=6, pads=[1,1,1,1], strides=[2,1]>", (6, 1, 3, 3)),
    "depth multiplier": ("Conv <group=6, pads=[1,1,1,1]>", (12, 1, 3, 3)),
    "1x1": ("Conv", (7, 6, 1, 1)),
    "transposed": ("ConvTranspose <strides=[2,2]>", (6, 5, 2, 2)),
    "transposed, overlapping": ("ConvTranspose <strides=[2,3], pads=[1,0,1,2]>", (6, 5, 4, 5)),
    "transposed, output padding": ("ConvTranspose <strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>", (6, 4, 3, 3)),
    "transposed, groups": ("ConvTranspose <strides=[2,2], group=3>", (6, 2, 3, 3)),
    "transposed, depthwise": ("ConvTranspose <strides=[2,2], group=6, pads=[1,1,1,1]>", (6, 1, 4, 4)),
    "transposed, gaps": ("ConvTranspose <strides=[3,3]>", (6, 2, 2, 2)),
    "transposed, dilated": ("ConvTranspose <dilations=[2,2], strides=[1,2]>", (6, 2, 3, 3)),
}


@pytest.mark.parametrize("symbols", [{}, {"n": 2}], ids=["static", "dynamic batch"])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions(case: str, symbols: dict[str, int]) -> None:
    operator, weight = CONVOLUTIONS[case]
    name, _, attributes = operator.partition(" ")
    batch = "n" if symbols else "2"
    text = f"m (float[{batch},6,7,8] x) => (float[a,b,c,d] y) {{ h = {name} {attributes} (x, w) y = Sigmoid(h) }}"
    check(model(text, {"w": weight}), symbols)


@pytest.mark.parametrize("rank", [1, 3])
def test_convolutions_of_one_and_three_axes(rank: int) -> None:
    shape, pads = ",".join(["1,4", *["6"] * rank]), ",".join(["1"] * 2 * rank)
    out = ",".join("abcde"[: rank + 2])
    text = f"m (float[{shape}] x) => (float[{out}] y) {{ y = Conv <pads=[{pads}]> (x, w) }}"
    check(model(text, {"w": (5, 4, *[3] * rank)}))


MATMULS = {
    "weights": ("float[2,5,16] a", "y = MatMul(a, w)", {"w": (16, 9)}),
    "both dynamic": ("float[2,3,5,4] a, float[3,4,6] b", "y = MatMul(a, b)", {}),
    "vector times matrix": ("float[4] a", "y = MatMul(a, w)", {"w": (4, 3)}),
    "matrix times vector": ("float[5,4] a, float[4] b", "y = MatMul(a, b)", {}),
    "gemm": ("float[5,4] a", "y = Gemm <alpha=0.5, beta=2.0, transB=1> (a, w, c)", {"w": (3, 4), "c": (3,)}),
    "gemm, transposed": ("float[4,5] a", "y = Gemm <transA=1> (a, w)", {"w": (4, 3)}),
    "batched weights": ("float[3,5,4] a", "y = MatMul(a, w)", {"w": (3, 4, 6)}),
    "transposed operand": ("float[2,5,4] a, float[2,6,4] b", "t = Transpose <perm=[0,2,1]> (b) y = MatMul(a, t)", {}),
}


@pytest.mark.parametrize("case", MATMULS)
def test_matrix_products(case: str) -> None:
    inputs, body, constants = MATMULS[case]
    program = check(model(f"m ({inputs}) => (float y) {{ {body} }}", constants))
    assert ("Contraction" in kinds(program)) == ("vector" not in case)


def test_bias_and_gelu_become_the_epilogue_of_a_matrix_product() -> None:
    text = "m (float[2,5,16] x) => (float[2,5,32] y) { h = MatMul(x, w) b = Add(h, c) y = Gelu(b) }"
    program = check(model(text, {"w": (16, 32), "c": (32,)}))
    assert kinds(program) == {"Contraction": 1}


def test_a_product_scaled_by_a_whole_tensors_maximum_does_not_reduce_in_its_epilogue() -> None:
    text = "m (float[5,16] x, float[3,4] z) => (float[5,32] y) { h = MatMul(x, w) m = ReduceMax(z) y = Mul(h, m) }"
    program = check(model(text, {"w": (16, 32)}))
    (product,) = (x.kernel for x in each_launch(program.steps) if isinstance(x.kernel, Contraction))
    assert not any(e.op == "reduce" for store in product.stores for e in walk(store.value))


@pytest.mark.parametrize(
    ("product", "reduction"),
    [
        ("Conv <strides=[2,2]> (x, w)", "MaxPool <kernel_shape=[2,2], strides=[2,2]> (x)"),
        ("Conv <strides=[2,2]> (x, w)", "AveragePool <kernel_shape=[2,2], strides=[2,2]> (x)"),
        ("Conv (x, w)", "ReduceMean (x, axes)"),
        ("MatMul (x, m)", "ReduceMax (x, axes)"),
    ],
)
def test_a_reduction_beside_a_product_may_stand_before_or_behind_it(product: str, reduction: str) -> None:
    constants = {"w": (8, 8, 1, 1)} if "Conv" in product else {"m": (6, 6)}
    constants |= {"axes": np.array([1])} if "axes" in reduction else {}  # type: ignore[dict-item]
    for second in ("Add", "Mul"):
        for first, then in ((f"c = {product}", f"p = {reduction}"), (f"p = {reduction}", f"c = {product}")):
            text = f"m (float[1,8,6,6] x) => (float[a,b,c,d] y) {{ {first} {then} y = {second} (c, p) }}"
            check(model(text, constants))


def test_head_splits_and_transposes_of_attention_copy_nothing() -> None:
    text = """m (float[2,5,24] x) => (float[2,5,24] y) {
        q = MatMul(x, w) r = Reshape(q, s) t = Transpose <perm=[0,2,1,3]> (r)
        k = MatMul(x, v) l = Reshape(k, s) u = Transpose <perm=[0,2,3,1]> (l) p = MatMul(t, u)
        z = MatMul(p, t) m = Transpose <perm=[0,2,1,3]> (z) y = Reshape(m, o) }"""
    constants = {"w": (24, 24), "v": (24, 24), "s": np.array([2, 5, 3, 8]), "o": np.array([2, 5, 24])}
    program = check(model(text, constants))
    assert kinds(program)["Loops"] == 1  # only the copy into the output


def test_parts_of_a_concat_are_written_in_place() -> None:
    text = """m (float[1,4,6,6] x) => (float[1,9,6,6] y) {
        a = Conv(x, w) r = Relu(a) b = Conv(x, v) c = Concat <axis=1> (r, b) y = Sigmoid(c) }"""
    program = check(model(text, {"w": (4, 4, 1, 1), "v": (5, 4, 1, 1)}))
    assert kinds(program) == {"Contraction": 2, "Loops": 1}


def test_a_tensor_that_is_concatenated_twice_is_copied() -> None:
    check(model("m (float[2,3] x) => (float[2,9] y) { r = Relu(x) y = Concat <axis=1> (r, r, x) }"))


def test_pieces_of_a_split_are_views() -> None:
    text = """m (float[2,12] x) => (float[2,4] y, float[2,4] z) {
        a, b, c = Split <axis=1, num_outputs=3> (x) s = Add(a, b) y = Mul(s, c) z = Relu(b) }"""
    program = check(model(text))
    assert len(list(each_launch(program.steps))) == 2


def test_a_pointwise_chain_is_one_kernel() -> None:
    text = "m (float[3,5] x) => (float[3,5] y) { a = Exp(x) b = Add(a, c) d = Mul(b, b) e = Tanh(d) y = Sub(e, x) }"
    program = check(model(text, {"c": (5,)}))
    assert len(program.steps) == 1


def test_dense_axes_are_walked_as_one() -> None:
    program = check(model("m (float[3,5,4] x) => (float[3,5,4] y) { y = Exp(x) }"))
    (launch,) = each_launch(program.steps)
    assert isinstance(launch.kernel, Loops)
    assert [a.extent for a in launch.kernel.domain] == [60]


def test_a_softmax_and_what_follows_it_are_one_kernel() -> None:
    program = check(
        model("m (float[6,10] x) => (float[6,10] y) { s = Softmax <axis=1> (x) y = Mul(s, c) }", {"c": (10,)})
    )
    assert len(program.steps) == 1


def test_a_norm_over_outer_axes_gets_memory_for_its_sums() -> None:
    text = "m (float[2,4,6,6] x) => (float y) { h = Conv(x, w) i = InstanceNormalization(h, s, b) y = Conv(i, w) }"
    program = check(model(text, {"w": (4, 4, 1, 1), "s": (4,), "b": (4,)}))
    assert any(launch.name.endswith("/reduce") for launch in each_launch(program.steps))


POINTWISE_AND_VIEWS = {
    "slice with steps": ("y = Slice(x, s, e, a, t)", {"s": [5, -1], "e": [0, -9], "a": [0, 1], "t": [-2, -1]}),
    "pad": ("y = Pad(x, p)", {"p": [1, 0, 2, 3]}),
    "gather": ("y = Gather <axis=1> (x, i)", {"i": [[2, 0], [-1, 1]]}),
    "reduce outer": ("y = ReduceMean <keepdims=0> (x, i)", {"i": [0]}),
    "reduce all": ("y = ReduceSum <keepdims=0> (x)", {}),
    "expand": ("r = ReduceMax(x, i) y = Expand(r, s)", {"i": [1], "s": [4, 6, 7]}),
    "flatten a transpose": ("t = Transpose <perm=[1,0]> (x) r = Relu(t) y = Flatten <axis=0> (r)", {}),
    "cumulative sum": ("y = CumSum(x, i)", {"i": 1}),
    "arg max": ("y = ArgMax <axis=1> (x)", {}),
}


@pytest.mark.parametrize("case", POINTWISE_AND_VIEWS)
def test_expressions(case: str) -> None:
    body, constants = POINTWISE_AND_VIEWS[case]
    kind = "int64" if "ArgMax" in body else "float"
    check(model(f"m (float[6,7] x) => ({kind} y) {{ {body} }}", {k: np.array(v) for k, v in constants.items()}))


def test_an_input_an_output_and_a_constant_may_be_one_value() -> None:
    text = "m (float[2,3] x) => (float[2,3] y, float[3] z, float w) { y = Identity(x) z = Identity(c) w = Relu(x) }"
    check(model(text, {"c": (3,)}))


@pytest.mark.parametrize("flag", [True, False])
def test_an_if_is_two_step_lists_that_write_one_result(flag: bool) -> None:
    text = """m (bool b, float[3] x) => (float[3] y) {
        t = Exp(x)
        y = If (b) <then_branch = g () => (float[3] p) { p = Add(t, x) },
                    else_branch = h () => (float[3] q) { s = Mul(t, t) q = Neg(s) }> }"""
    feeds = {"b": np.array(flag), "x": RNG.standard_normal(3).astype(np.float32)}
    program = check(model(text), feeds=feeds)
    assert any(isinstance(step, Branch) for step in program.steps)


def test_an_operator_without_definition_runs_on_the_reference_kernel_and_reveals_its_sizes() -> None:
    text = (
        "m (float[4,5] x) => (int64[2,k] y, float[1,k] z) { y = NonZero(x) f = Cast <to=1> (y) z = Slice(f, s, e, a) }"
    )
    constants = {"s": np.array([0]), "e": np.array([1]), "a": np.array([0])}
    feeds = {"x": (RNG.random((4, 5)) > 0.5).astype(np.float32)}
    program = check(model(text, constants), feeds=feeds)
    assert [type(s) for s in program.steps if not isinstance(s, Launch)] == [ReferenceStep]
    assert any(s.kind == "dynamic" for s in program.storages)


def test_dynamic_dimensions_stay_symbolic_in_kernels() -> None:
    text = "m (float[n,s,16] x) => (float[n,s,8] y) { h = MatMul(x, w) b = Add(h, c) y = Softmax <axis=-1> (b) }"
    program = check(model(text, {"w": (16, 8), "c": (8,)}), {"n": 2, "s": 3})
    (matmul,) = (x.kernel for x in each_launch(program.steps) if isinstance(x.kernel, Contraction))
    assert {str(a.extent) for a in matmul.pixels} == {"n", "s"}


def test_a_sum_over_inner_axes_of_a_tensor_with_a_single_image_has_no_axis_left_over() -> None:
    text = """m (float[1,3,4,6] x) => (float y) {
        h = Conv(x, w) s = Softmax <axis=1> (h) r = Relu(s) y = Transpose <perm=[2,0,3,1]> (r) }"""
    check(model(text, {"w": (5, 3, 1, 1)}))


def test_a_view_of_a_padded_tensor_is_not_padded_itself() -> None:
    text = """m (float[1,1,8,8] x) => (float y, float z) {
        t = Tanh(x) y = Conv <pads=[1,1,1,1]> (t, w)
        p = Transpose <perm=[2,0,1,3]> (t) z = Conv <pads=[1,1,1,1]> (p, w) }"""
    check(model(text, {"w": (4, 1, 3, 3)}))


def test_depthwise_taps_reach_into_the_zeros_around_one_row() -> None:
    text = "m (float[2,3,1,1] x) => (float y) { t = Tanh(x) y = Conv <pads=[1,1,1,1], group=3> (t, w) }"
    check(model(text, {"w": (3, 1, 3, 3)}))


def test_equal_layers_share_one_kernel() -> None:
    body = "r0 = Relu(x) " + "".join(f"h{i} = MatMul(r{i - 1}, w{i}) r{i} = Tanh(h{i}) " for i in range(1, 4))
    weights = {f"w{i}": (8, 8) for i in (1, 2, 3)}
    program = check(model(f"m (float[4,8] x) => (float[4,8] y) {{ {body} y = Exp(r3) }}", weights))
    keys = [x.kernel.key for x in each_launch(program.steps) if isinstance(x.kernel, Contraction)]
    assert len(keys) == 3
    assert len(set(keys)) == 2  # the last one has another epilogue


@pytest.mark.parametrize(
    "text",
    [
        "m (seq(float[3]) x) => (float y) { i = Constant <value = int64 {0}> () y = SequenceAt(x, i) }",
        "m (string[3] x) => (string[3] y) { y = Identity(x) }",
    ],
    ids=["sequence", "strings"],
)
def test_a_surface_that_is_no_numeric_tensor_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="E21"):
        analyze(model(text))
