"""A ConvTranspose that becomes a Conv gives the same numbers, and a scale for each channel, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import burnish
from burnish.calibration import calibrate, quantised_model
from burnish.precision.quantise.points import find_points
from burnish.precision.quantise.untranspose import as_convolution

# kernel, strides, dilations, pads, output_padding, groups, channels of a group
FORMS = {
    "dilated depthwise": ((3, 3), (1, 1), (5, 1), (10, 1, 10, 1), (0, 0), 8, 1),
    "depthwise": ((3, 2), (1, 1), (1, 1), (1, 0, 2, 1), (0, 0), 8, 1),
    "grouped": ((3, 3), (1, 1), (1, 1), (0, 1, 1, 0), (0, 0), 2, 3),
    "dilated": ((2, 3), (1, 1), (2, 3), (0, 0, 0, 0), (0, 0), 1, 6),
    "depthwise, stride 2": ((3, 3), (2, 2), (1, 1), (1, 1, 1, 1), (1, 1), 8, 1),
    "grouped, stride 2": ((4, 3), (2, 2), (1, 1), (0, 1, 1, 0), (0, 0), 4, 2),
    "depthwise, stride 3": ((2, 5), (3, 3), (1, 1), (0, 0, 0, 1), (1, 2), 8, 1),
}


def model(form: str, spread: float = 1.0) -> onnx.ModelProto:
    """One ConvTranspose with a bias; spread: how much more the last channel weighs than the first."""
    kernel, strides, dilations, pads, extra, groups, each = FORMS[form]
    random = np.random.default_rng(3)
    weight = random.standard_normal((8, each, *kernel)).astype(np.float32)
    weight *= (spread ** (np.arange(8) / 7)).reshape(-1, 1, 1, 1).astype(np.float32)
    bias = random.standard_normal(groups * each).astype(np.float32)
    attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}
    node = helper.make_node("ConvTranspose", "xwb", ["y"], group=groups, output_padding=extra, **attributes)
    surface = [
        helper.make_tensor_value_info(n, 1, s) for n, s in (("x", [1, 8, 11, 9]), ("y", [1, groups * each, None, None]))
    ]
    constants = [numpy_helper.from_array(a, n) for n, a in (("w", weight), ("b", bias))]
    graph = helper.make_graph([node], "g", surface[:1], surface[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def run(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    return np.asarray(onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0])


@pytest.mark.parametrize("form", FORMS)
def test_the_convolution_gives_the_same_numbers(form: str) -> None:
    proto = model(form)
    found = ir.from_proto(proto)
    (point,), _ = find_points(found.graph)
    made = as_convolution(found.graph, point)
    assert made.node.op_type == "Conv" and made.axis == 0
    x = np.random.default_rng(1).standard_normal((1, 8, 11, 9)).astype(np.float32)
    done = ir.to_proto(found)
    onnx.checker.check_model(done, full_check=True)
    np.testing.assert_allclose(run(done, x), run(proto, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["dilated depthwise", "grouped", "depthwise, stride 2"])
def test_channels_of_other_size_keep_their_own_scale(form: str) -> None:
    """Of weights that differ by a factor of 3,000, one scale for all would round the smallest channels to 0."""
    proto = model(form, spread=3000.0)
    samples = [{"x": np.random.default_rng(n).standard_normal((1, 8, 11, 9)).astype(np.float32)} for n in range(3)]
    ranges = calibrate(proto, samples, method="minmax")
    plan = burnish.build(proto, precision="int8", ranges=ranges)
    quantised = quantised_model(proto, ranges)
    for sample in samples:
        exact = run(proto, sample["x"])
        noise, own = (np.sqrt((a**2).mean((0, 2, 3))) for a in (run(quantised, sample["x"]) - exact, exact))
        assert (noise < 0.03 * own).all()
        with burnish.load(plan, threads=1) as engine:
            ours = engine(sample)["y"]
        assert (np.abs(ours - run(quantised, sample["x"])) <= 1e-4 * np.abs(exact).max((0, 2, 3), keepdims=True)).all()


def test_what_a_convolution_cannot_say_stays() -> None:
    """A ConvTranspose of one group, whose weight has its scales already, and one that crops more than it makes."""
    proto = model("grouped")
    node = proto.graph.node[0]
    for pads in ([0, 3, 0, 3], [3, 0, 0, 0]):
        changed = onnx.ModelProto.FromString(proto.SerializeToString())
        changed.graph.node[0].CopyFrom(node)
        next(a for a in changed.graph.node[0].attribute if a.name == "pads").ints[:] = pads
        found = ir.from_proto(changed)
        (point,), _ = find_points(found.graph)
        assert as_convolution(found.graph, point) is point and point.node.op_type == "ConvTranspose"
