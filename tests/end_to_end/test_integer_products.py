"""ConvInteger and MatMulInteger against int64, bit by bit: any shape, zero point, pad, type and level."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.target import parse_target
from tests.targets.cpu.run_kernel import runnable

Array = np.ndarray[Any, Any]
NAMES = ("v2", "v3", "v4", "v4+vnni", "v3+checked")
TARGETS = [t for t in (f"cpu:x86-64-{n}" for n in NAMES) if runnable(parse_target(t))]
BYTES = st.sampled_from([np.uint8, np.int8])
KINDS = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}


class Draw:
    """A model of one node, whose operands are constants or inputs."""

    def __init__(self, data: st.DataObject) -> None:
        self.data, self.random = data, np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
        self.inputs: list[onnx.ValueInfoProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.feeds: dict[str, Array] = {}

    def any(self, dtype: Any, *shape: int) -> Array:
        limits = np.iinfo(dtype)
        return np.asarray(self.random.integers(limits.min, limits.max + 1, shape), dtype)

    def give(self, name: str, array: Array, is_constant: bool, free: int | None = None) -> None:
        """free: the axis whose size is a symbol"""
        if is_constant:
            self.constants.append(numpy_helper.from_array(array, name))
            return
        shape = [f"N{a}" if a == free else n for a, n in enumerate(array.shape)]
        self.inputs.append(helper.make_tensor_value_info(name, KINDS[array.dtype.type], shape))
        self.feeds[name] = array

    def answer(self, nodes: list[onnx.NodeProto]) -> Array:
        result = helper.make_tensor_value_info("y", TensorProto.INT32, None)
        graph = helper.make_graph(nodes, "g", self.inputs, [result], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        target = self.data.draw(st.sampled_from(TARGETS))
        plan = burnish.build(model, target=target, profile={n: (a.shape,) * 3 for n, a in self.feeds.items()})
        with burnish.load(plan, threads=2) as engine:
            engine({n: np.flip(a).copy() for n, a in self.feeds.items()})  # pads stay what they are from run to run
            return np.asarray(engine(self.feeds)["y"])


def convolved(x: Array, weight: Array, strides: list[int], dilations: list[int], pads: list[int], groups: int) -> Array:
    """In int64, tap by tap."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    o, c, *taps = weight.shape
    sizes = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(x.shape[2:], taps, dilations, strides)]
    out = np.zeros((len(x), o, *sizes), np.int64)
    for tap in np.ndindex(*taps):
        rows, columns = (slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilations, sizes, strides))
        for g in range(groups):
            of = slice(g * o // groups, (g + 1) * o // groups)
            seen = x[:, g * c : (g + 1) * c, rows, columns]
            out[:, of] += np.einsum("nchw,oc->nohw", seen, weight[(of, slice(None), *tap)])
    return out


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_convolutions_are_exact(data: st.DataObject) -> None:
    draw = Draw(data)
    pick, pair = data.draw, lambda low, high: [data.draw(st.integers(low, high)) for _ in range(2)]
    groups, c, o = pick(st.sampled_from([(1, 3, 5), (1, 16, 20), (2, 5, 3), (3, 4, 17), (1, 7, 1), (21, 1, 1)]))
    taps, strides, dilations, pads = pair(1, 4), pair(1, 2), pair(1, 2), pair(0, 3) + pair(0, 3)
    size = [max(n, (k - 1) * d + 1) for n, k, d in zip(pair(3, 10), taps, dilations)]
    kind, weight_kind = pick(BYTES), pick(BYTES)
    x, weight = draw.any(kind, pick(st.integers(1, 2)), groups * c, *size), draw.any(weight_kind, groups * o, c, *taps)
    zeros = pick(st.sampled_from(["none", "known", "known", "of the data"]))
    x_zero, weight_zero = draw.any(kind), draw.any(weight_kind, *pick(st.sampled_from([(), (groups * o,)])))
    names = ["x", "w"] if zeros == "none" else ["x", "w", "zx", "zw"]
    draw.give("x", x, False, pick(st.sampled_from([None, 0])))
    draw.give("w", weight, True)
    if zeros == "none":
        x_zero, weight_zero = np.zeros((), kind), np.zeros((), weight_kind)
    else:
        draw.give("zx", x_zero, zeros == "known")
        draw.give("zw", weight_zero, True)
    nodes, seen = [], x
    if pick(st.booleans()):  # a producer can write inside the pads
        least = kind(np.iinfo(kind).min + 9)
        draw.give("least", np.array(least), True)
        nodes, seen = [helper.make_node("Max", ["x", "least"], ["x1"])], np.maximum(x, least)
        names[0] = "x1"
    options = {"strides": strides, "dilations": dilations, "pads": pads, "group": groups}
    nodes.append(helper.make_node("ConvInteger", names, ["y"], **options))
    centred = weight.astype(np.int64) - weight_zero.reshape(-1, 1, 1, 1)
    want = convolved(seen.astype(np.int64) - x_zero, centred, strides, dilations, pads, groups)
    np.testing.assert_array_equal(draw.answer(nodes), want)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_products_are_exact(data: st.DataObject) -> None:
    draw, pick = Draw(data), data.draw
    m, n, k = (pick(st.integers(1, 40)) for _ in range(3))
    batch = pick(st.sampled_from([(), (3,), (2, 3)]))
    kinds = pick(BYTES), pick(BYTES)
    a, b = draw.any(kinds[0], *batch, m, k), draw.any(kinds[1], *(batch if pick(st.booleans()) else ()), k, n)
    a_zero = draw.any(kinds[0], *pick(st.sampled_from([(), (m,)])))
    b_zero = draw.any(kinds[1], *pick(st.sampled_from([(), (n,)])))
    draw.give("a", a, False, None if a_zero.ndim else pick(st.sampled_from([None, a.ndim - 2])))
    often = st.sampled_from([True, True, True, False])
    for name, array in (("b", b), ("za", a_zero), ("zb", b_zero)):
        draw.give(name, array, pick(often))
    left = a.astype(np.int64) - (a_zero[:, None] if a_zero.ndim else a_zero)
    found = draw.answer([helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])])
    np.testing.assert_array_equal(found, left @ (b.astype(np.int64) - b_zero))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "kinds, is_turned", [(("uint8", "int8"), False), (("int8", "uint8"), False), (("int8",) * 2, True)]
)
def test_products_whose_depth_a_run_tells_are_exact(target: str, kinds: tuple[str, str], is_turned: bool) -> None:
    """As of attention's second product, over any number of tokens: depths around whole words of four bytes."""
    random, most, columns = np.random.default_rng(3), 70, 21
    shape, order = (
        (f"2, {columns}, k", "t = Transpose <perm = [0, 2, 1]> (v)") if is_turned else (f"2, k, {columns}", "")
    )
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["" : 21]>
    g ({kinds[0]}[2, m, k] s, {kinds[1]}[{shape}] v) => (float[2, m, {columns}] y)
    <float one = {{1.0}}, {kinds[0]} p = {{3}}, {kinds[1]} q = {{9}}> {{
      {order} d = DequantizeLinear (s, one, p) e = DequantizeLinear ({"t" if is_turned else "v"}, one, q)
      y = MatMul (d, e) }}""")
    of_v = [(2, columns, n) if is_turned else (2, n, columns) for n in (1, 30, most)]
    plan = burnish.build(model, target=target, profile={"s": ((2, 1, 1), (2, 12, 30), (2, 19, most)), "v": of_v})
    tactics = [launch.tactic for launch in plan.manifest.variants[0].launches]
    assert any("form=quads" in tactic for tactic in tactics), "bytes are multiplied four at a time"
    with burnish.load(plan, threads=2) as engine:
        for depth, rows in ((1, 1), (2, 5), (3, 19), (4, 2), (6, 8), (7, 16), (16, 1), (29, 3), (most, 19)):
            shapes = (2, rows, depth), (2, columns, depth) if is_turned else (2, depth, columns)
            spans = [(np.iinfo(kind).min, int(np.iinfo(kind).max) + 1) for kind in kinds]
            s, v = (random.integers(*span, n).astype(kind) for kind, span, n in zip(kinds, spans, shapes))
            right = v.swapaxes(1, 2) if is_turned else v
            want = (s.astype(np.int64) - 3) @ (right.astype(np.int64) - 9)
            np.testing.assert_array_equal(engine({"s": s, "v": v})["y"], want, err_msg=f"{depth}, {rows}")


def test_two_convolutions_of_one_image_may_pad_it_with_different_zero_points() -> None:
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (1, 5, 6, 6)).astype(np.uint8)
    weight = random.integers(-128, 128, (2, 5, 3, 3)).astype(np.int8)
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 17]>
    g (uint8[1, 5, 6, 6] x) => (int32[1, 2, 6, 6] y, int32[1, 2, 6, 6] z)
    <uint8 p = {3}, uint8 q = {250}, uint8 least = {1}, int8[2, 5, 3, 3] w = {0}> {
      t = Max (x, least)
      y = ConvInteger <pads = [1, 1, 1, 1]> (t, w, p)  z = ConvInteger <pads = [1, 1, 1, 1]> (t, w, q) }""")
    model.graph.initializer[-1].CopyFrom(numpy_helper.from_array(weight, "w"))
    with burnish.load(burnish.build(model), threads=1) as engine:
        found = engine({"x": x})
    for name, zero in (("y", 3), ("z", 250)):
        shifted = np.maximum(x, 1).astype(np.int64) - zero
        want = convolved(shifted, weight.astype(np.int64), [1, 1], [1, 1], [1, 1, 1, 1], 1)
        np.testing.assert_array_equal(found[name], want)


@pytest.mark.parametrize("target", ["cpu:x86-64-v2", "cpu:x86-64-v3", "cuda:sm_75", "cuda:sm_80"])
def test_every_target_has_a_kernel_for_products_of_codes(target: str) -> None:
    """Not loops, which would compute one sum after the other."""
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 17]>
    g (uint8[4, 32] x) => (int32[4, 16] y) <int8[32, 16] w = {0}> { y = MatMulInteger (x, w) }""")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((32, 16), np.int8), "w"))
    plan = burnish.build(model, target=target)
    (launch,) = plan.manifest.variants[0].launches
    assert launch.kernel == "Contraction"
