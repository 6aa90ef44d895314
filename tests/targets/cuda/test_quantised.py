"""Quantised networks for a GPU, in Triton's interpreter: ONNX Runtime's integers, and the bits of a CPU's plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.building.analyze import analyze
from burnish.calibration import calibrate
from burnish.kernels.task import Contraction, each_launch
from burnish.precision.precision import parse_precision
from burnish.target import parse_target
from burnish.targets import compiler_of
from tests.end_to_end.architectures import SMALL
from tests.end_to_end.oracle import answers, session
from tests.targets.cuda.whole_program import H200, favourite, run_model, run_program

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(11)


def conv_integer(
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    zero: int | None,
    dtype: type = np.uint8,
    w_zero: int = 0,
    is_computed: bool = False,
    **how: Any,
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """y = ConvInteger(x, w, zero, w_zero); zero: None: an input tells it."""
    span = (0, 256) if dtype is np.uint8 else (-128, 128)
    x = RANDOM.integers(*span, shape).astype(dtype)
    w = RANDOM.integers(-128, 128, weight).astype(np.int8)
    feeds = {"x": x}
    constants = [numpy_helper.from_array(np.int8(w_zero), "w_zero")]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    if is_computed:
        feeds["w"] = w
        inputs.append(helper.make_tensor_value_info("w", TensorProto.INT8, weight))
    else:
        constants.append(numpy_helper.from_array(w, "w"))
    if zero is None:
        feeds["x_zero"] = np.array(77, dtype)
        inputs.append(helper.make_tensor_value_info("x_zero", kind, ()))
    else:
        constants.append(numpy_helper.from_array(np.array(zero, dtype), "x_zero"))
    node = helper.make_node("ConvInteger", ["x", "w", "x_zero", "w_zero"], ["y"], **how)
    outputs = [helper.make_tensor_value_info("y", TensorProto.INT32, None)]
    graph = helper.make_graph([node], "g", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), feeds


PADDED = {
    "zero point 0": conv_integer((2, 16, 6, 5), (24, 16, 3, 3), 0, pads=[1, 1, 1, 1]),
    "a zero point": conv_integer((2, 16, 6, 5), (24, 16, 3, 3), 114, pads=[1, 1, 1, 1]),
    "signed, strides, uneven pads": conv_integer(
        (1, 16, 9, 8), (24, 16, 3, 3), -7, np.int8, strides=[2, 1], pads=[2, 0, 1, 3]
    ),
    "dilations": conv_integer((1, 16, 9, 8), (20, 16, 3, 3), 200, dilations=[2, 3], pads=[2, 3, 2, 1]),
    "groups": conv_integer((1, 32, 6, 5), (24, 16, 3, 3), 3, group=2, pads=[1, 1, 1, 1]),
    "depthwise": conv_integer((1, 8, 6, 5), (8, 1, 3, 3), 3, group=8, pads=[1, 1, 1, 1]),
    "an image smaller than the kernel": conv_integer((1, 16, 2, 1), (24, 16, 5, 5), 9, pads=[2, 2, 2, 2]),
    "pads wider than the kernel": conv_integer((1, 16, 3, 3), (24, 16, 3, 3), 9, pads=[4, 0, 0, 5]),
    "one axis": conv_integer((2, 16, 20), (24, 16, 5), 128, pads=[2, 2]),
    "weights with a zero point": conv_integer((1, 16, 6, 5), (24, 16, 3, 3), 9, w_zero=5, pads=[1, 1, 1, 1]),
    "computed weights": conv_integer((1, 16, 6, 5), (24, 16, 3, 3), 9, w_zero=5, is_computed=True, pads=[1, 1, 1, 1]),
    "a zero point from data": conv_integer((1, 16, 6, 5), (24, 16, 3, 3), None, pads=[1, 1, 1, 1]),
    "stem": conv_integer((1, 3, 16, 16), (24, 3, 7, 7), 114, strides=[2, 2], pads=[3, 3, 3, 3]),
    "too many ways to cut": conv_integer((1, 16, 4, 4), (8, 16, 9, 9), 9, pads=[8, 8, 8, 8]),
}


@pytest.mark.parametrize("name", PADDED)
def test_a_convolution_of_codes_with_pads(name: str):
    model, feeds = PADDED[name]
    np.testing.assert_array_equal(run_model(model, feeds)["y"], answers(session(model.SerializeToString()), feeds)["y"])


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80"])
def test_older_chips_have_the_same_integers(architecture: str):
    model, feeds = PADDED["a zero point"]
    found = run_model(model, feeds, target=parse_target(f"cuda:{architecture}"))
    np.testing.assert_array_equal(found["y"], answers(session(model.SerializeToString()), feeds)["y"])


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90a"])
def test_two_computed_matrices_of_codes_over_any_number_of_tokens(architecture: str):
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
    g (uint8[2, m, k] s, int8[2, k, 32] v) => (float[2, m, 32] y) <float one = {1.0}, uint8 p = {3}, int8 q = {9}> {
      d = DequantizeLinear (s, one, p) e = DequantizeLinear (v, one, q) y = MatMul (d, e) }""")
    profile = {"s": ((2, 1, 1), (2, 16, 40), (2, 20, 70)), "v": ((2, 1, 32), (2, 40, 32), (2, 70, 32))}
    target = parse_target(f"cuda:{architecture}")
    program = analyze(model, abilities=compiler_of(target).abilities, profile=profile).program
    products = [x.kernel for x in each_launch(program.steps) if isinstance(x.kernel, Contraction)]
    assert products and all(k.slots[0].dtype.is_integer for k in products)
    for depth, rows in ((1, 20), (37, 5), (64, 16)):
        s, v = RANDOM.integers(0, 256, (2, rows, depth)), RANDOM.integers(-128, 128, (2, depth, 32))
        feeds = {"s": s.astype(np.uint8), "v": v.astype(np.int8)}
        found = run_model(model, feeds, target=target, profile=profile)["y"]
        np.testing.assert_array_equal(found, (s - 3) @ (v - 9))


def quantised(name: str) -> tuple[bytes, dict[str, Array], dict[str, Any]]:
    """A small architecture, its feeds, and how it is built in int8."""
    architecture = SMALL[name]
    model, feeds = architecture.make(), architecture.feeds(batch=2)
    ranges = calibrate(model, [architecture.feeds(batch=2, seed=s) for s in (1, 2)], method="minmax")
    return model, feeds, {"ranges": ranges, "shapes": {key: a.shape for key, a in feeds.items()}}


def test_a_network_with_residuals_has_the_same_bits_as_on_a_cpu():
    model, feeds, how = quantised("resnet")
    precision = parse_precision("int8", None, how["ranges"])
    found = analyze(model, abilities=compiler_of(H200).abilities, precision=precision, shapes=how["shapes"])
    products = [x.kernel for x in each_launch(found.program.steps) if isinstance(x.kernel, Contraction)]
    assert all(not k.slots[0].dtype.is_float for k in products)
    assert sum(k.totals == 2 for k in products) == 2, "each down-sample is in the kernel that adds it"
    with burnish.load(burnish.build(model, target="cpu", precision="int8", **how), device="cpu") as engine:
        expected = engine(**feeds)["logits"]
    np.testing.assert_array_equal(run_program(found.program, feeds, H200, favourite)["logits"], expected)


def test_float32_stays_where_codes_end():
    """What QDQ models leave in f32 is as close to ONNX Runtime as without codes."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [5, 40])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weight = RANDOM.integers(-128, 128, (40, 24)).astype(np.int8)
    constants = {"w": weight, "ws": RANDOM.uniform(0.01, 0.02, 24).astype(np.float32), "xs": np.float32(0.02)}
    constants |= {"wz": np.zeros(24, np.int8), "xz": np.uint8(120)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=1),
        helper.make_node("MatMul", ["xd", "wd"], ["m"]),
        helper.make_node("Sigmoid", ["m"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [x], [y], [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    feeds = {"x": RANDOM.standard_normal((5, 40)).astype(np.float32)}
    np.testing.assert_allclose(
        run_model(model, feeds)["y"], answers(session(model.SerializeToString()), feeds)["y"], atol=2e-6
    )
