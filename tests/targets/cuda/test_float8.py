"""Float8 (e4m3) between Q and DQ for a GPU, in Triton's interpreter, against float64 and ml_dtypes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish.building.analyze import analyze
from burnish.kernels.task import Contraction, each_launch
from burnish.precision.precision import parse_precision
from burnish.target import parse_target
from burnish.targets import compiler_of
from tests.targets.cuda.whole_program import H200, run_model

Array = np.ndarray[Any, Any]
KIND, FLOAT8 = TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn
RANDOM = np.random.default_rng(3)


def constant(name: str, array: Array) -> onnx.TensorProto:
    """An initializer; onnx packs float8 as bytes."""
    if array.dtype == FLOAT8:
        return helper.make_tensor(name, KIND, array.shape, array.tobytes(), raw=True)
    return numpy_helper.from_array(np.asarray(array), name)


def model_of(nodes: list[Any], constants: dict[str, Array], x: tuple[int, ...], y: int) -> onnx.ModelProto:
    """From f32 x to y of an element type."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)]
    outputs = [helper.make_tensor_value_info("y", y, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [constant(n, a) for n, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def codes(x: Array, scale: float) -> Array:
    """Saturated, ties to even."""
    quotient = x / np.float32(scale)
    return np.where(np.isnan(quotient), np.nan, np.clip(quotient, -448, 448)).astype(FLOAT8)


def product(
    kind: str, weight: tuple[int, ...], axis: int | None, bias: bool = False, **how: Any
) -> tuple[onnx.ModelProto, dict[str, Array], Array]:
    """Q(product(DQ(Q(x)), DQ(w)) + bias): the model, its input, and the codes in float64."""
    x = RANDOM.standard_normal((2, 16, 6, 5) if kind == "Conv" else (21, 40)).astype(np.float32)
    w = RANDOM.standard_normal(weight).astype(FLOAT8)
    shape = () if axis is None else (weight[axis],)
    scale = RANDOM.uniform(0.5, 2, shape).astype(np.float32)
    along = scale if axis is None else scale.reshape([-1 if n == axis else 1 for n in range(w.ndim)])
    columns = weight[0] if kind == "Conv" or how.get("transB") else weight[1]
    shift = RANDOM.standard_normal(columns).astype(np.float32)
    constants = {
        "w": w,
        "ws": scale,
        "xs": np.float32(0.01),
        "ys": np.float32(0.3),
        "z": np.zeros((), FLOAT8),
        "b": shift,
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["wd"], axis=axis or 0),
        helper.make_node(kind, ["xd", "wd", *(["b"] if bias else [])], ["p"], **how),
        helper.make_node("QuantizeLinear", ["p", "ys", "z"], ["y"]),
    ]
    a, b = codes(x, 0.01).astype(np.float64) * np.float32(0.01), w.astype(np.float64) * along
    if kind == "Conv":
        padded = np.pad(a, [(0, 0), (0, 0), (1, 1), (1, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, weight[2:], axis=(2, 3))
        total = np.einsum("nchwrs,ocrs->nohw", windows, b)
    else:
        total = a @ (b.T if how.get("transB") else b)
    if bias:
        total = total + (shift.reshape(-1, 1, 1) if kind == "Conv" else shift)
    return model_of(nodes, constants, x.shape, KIND), {"x": x}, codes(total.astype(np.float32), 0.3)


PRODUCTS = {
    "MatMul": product("MatMul", (40, 24), None),
    "MatMul, a scale for each column": product("MatMul", (40, 24), 1),
    "Gemm, turned": product("Gemm", (24, 40), 0, bias=True, transB=1),
    "Conv": product("Conv", (24, 16, 3, 3), 0, bias=True, pads=[1, 1, 1, 1]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_of_codes(name: str):
    model, feeds, want = PRODUCTS[name]
    program = analyze(model, abilities=compiler_of(H200).abilities).program
    (kernel,) = [x.kernel for x in each_launch(program.steps) if isinstance(x.kernel, Contraction)]
    assert [s.dtype.value for s in kernel.slots[:2]] == ["f8e4m3", "f8e4m3"]
    found = run_model(model, feeds)["y"]
    assert found.dtype == FLOAT8
    far = found.astype(np.float64) != want.astype(np.float64)  # sums are f32: a code next to a tie may be the other one
    assert far.mean() < 0.005
    np.testing.assert_allclose(found[far].astype(np.float64), want[far].astype(np.float64), rtol=0.13, atol=2.0**-9)


def test_numbers_become_the_nearest_float8_and_saturate():
    x = np.concatenate([np.linspace(-500, 500, 4001), 2.0 ** np.arange(-14, 10), [np.inf, -np.inf, np.nan, 0.0, -0.0]])
    x = x.astype(np.float32)
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])]
    for scale in (1.0, 0.37, 2.5):
        model = model_of(nodes, {"s": np.float32(scale), "z": np.zeros((), FLOAT8)}, x.shape, KIND)
        found = run_model(model, {"x": x})["y"]
        np.testing.assert_array_equal(found.astype(np.float32), codes(x, scale).astype(np.float32))  # 0 for -0


def test_what_a_code_stands_for_is_rounded_between_q_and_dq():
    x = RANDOM.standard_normal(300).astype(np.float32) * 100
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    model = model_of(nodes, {"s": np.float32(0.37), "z": np.zeros((), FLOAT8)}, x.shape, TensorProto.FLOAT)
    want = codes(x, 0.37).astype(np.float32) * np.float32(0.37)
    np.testing.assert_array_equal(run_model(model, {"x": x})["y"], want)


def test_the_scaled_sum_is_narrow_beside_fp16_unless_it_becomes_codes():
    w, second = RANDOM.standard_normal((40, 24)).astype(FLOAT8), RANDOM.standard_normal((24, 16)).astype(np.float32)
    x, shift = RANDOM.standard_normal((21, 40)).astype(np.float32), RANDOM.standard_normal(24).astype(np.float32)
    constants = {
        "w": w,
        "ws": np.float32(0.1),
        "xs": np.float32(0.01),
        "z": np.zeros((), FLOAT8),
        "k": second,
        "b": shift,
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["wd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["p"]),
        helper.make_node("Add", ["p", "b"], ["s"]),
        helper.make_node("MatMul", ["s", "k"], ["y"]),
    ]
    model = model_of(nodes, constants, x.shape, TensorProto.FLOAT)
    precision = parse_precision("fp16", None)
    program = analyze(model, abilities=compiler_of(H200).abilities, precision=precision).program
    kernels = [launch.kernel for launch in each_launch(program.steps) if isinstance(launch.kernel, Contraction)]
    assert [[k.slots[s.slot].dtype.value for s in k.stores] for k in kernels] == [["f16"], ["f32"]]
    numbers = codes(x, 0.01).astype(np.float64) * np.float32(0.01) @ (w.astype(np.float64) * np.float32(0.1)) + shift
    want = numbers @ second
    found = run_model(model, {"x": x}, precision="fp16")["y"]
    np.testing.assert_allclose(found, want, atol=0.01 * np.abs(want).max())
    coded, _, _ = PRODUCTS["Conv"]
    program = analyze(coded, abilities=compiler_of(H200).abilities, precision=precision).program
    stored = [
        k.slots[-1].dtype.value for k in (x.kernel for x in each_launch(program.steps)) if isinstance(k, Contraction)
    ]
    assert stored == ["f8e4m3"]


def test_gpus_without_float8_leave_it_to_the_reference_kernel():
    model, _, _ = PRODUCTS["MatMul"]
    fallbacks = analyze(model, abilities=compiler_of(parse_target("cuda:sm_80")).abilities).fallbacks
    assert {name.split()[0] for name, _ in fallbacks} == {"QuantizeLinear", "DequantizeLinear"}
