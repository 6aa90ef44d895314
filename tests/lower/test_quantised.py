"""quantised.py and the wants of integer products: roundings as the model has them, and bytes in memory, not sums."""

from __future__ import annotations

import numpy as np
import onnx

import burnish
from burnish.building.analyze import analyze
from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Contraction, Loops, Program, each_launch
from burnish.lower.quantised import round_products
from burnish.ops.language.expr import Axis, axis, const, load, reduce, text
from tests.end_to_end.oracle import answers, session


def test_a_product_outside_of_reductions_is_rounded():
    a = Axis("a", 4)
    x = load(0, DType.F32, [const(0, DType.I64)])
    total = reduce("sum", (a,), load(1, DType.F32, [axis(a)]) * x)
    assert text(round_products(x * x + total)) == text(x * x + total).replace(
        "mul(0[0:i64],0[0:i64])", "unfused_mul(0[0:i64],0[0:i64])"
    )


def test_the_sum_of_two_dequantised_tensors_is_that_of_onnxruntime():
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 21]>
    g (uint16[16384] a, uint16[16384] b, float[16384] m) => (uint16[16384] y, uint16[16384] z)
    <float s = {0.0123}, float t = {0.0371}, float u = {0.0457}, uint16 p = {31000}, uint16 q = {33000}> {
      c = DequantizeLinear (a, s, p)  d = DequantizeLinear (b, t, q)
      e = Add (c, d)  y = QuantizeLinear (e, u, p)
      f = Mul (c, m)  h = Add (f, d)  z = QuantizeLinear (h, u, q) }""")
    r = np.random.default_rng(0)
    feeds = {n: r.integers(0, 65536, 16384).astype(np.uint16) for n in "ab"} | {"m": r.random(16384, np.float32)}
    want = answers(session(model.SerializeToString()), feeds)
    with burnish.load(burnish.build(model), threads=1) as engine:
        got = engine(feeds)
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])


def test_a_graph_that_quantises_by_range_is_that_of_onnxruntime_to_the_last_bit():
    """One rounding more or less moves a scale, and with it all codes: products, epilogues and BatchNormalization."""
    r = np.random.default_rng(0)
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 21]>
    g (float[1,8,12,12] x) => (float[1,24,12,12] y, float s, uint8[1,24,12,12] q)
    <float t = {0.0137}, uint8 v = {121}> {
      c, u, z = DynamicQuantizeLinear (x)  k = Mul (u, t)
      i = ConvInteger <pads = [1, 1, 1, 1]> (c, w, z, v)  f = Cast <to = 1> (i)  p = Mul (f, k)
      n = BatchNormalization (p, g, b, m, d)  y = Relu (n)  q, s, o = DynamicQuantizeLinear (y) }""")
    constants = {n: r.uniform(0.5, 2, 24).astype(np.float32) for n in "gbmd"}
    constants["w"] = r.integers(0, 256, (24, 8, 3, 3)).astype(np.uint8)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in constants.items())
    feeds = {"x": r.standard_normal((1, 8, 12, 12)).astype(np.float32)}
    want = answers(session(model.SerializeToString()), feeds)
    with burnish.load(burnish.build(model), threads=1) as engine:
        got = engine(feeds)
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])


SCALES = "<float f = {0.004}, float one = {1.0}, float half = {0.5}, uint8 p = {7}, int8[8, 8, 1, 1] w = {1}>"
QUANTISED = (
    "c{0} = ConvInteger (x, w, p) r{0} = Cast <to = 1> (c{0}) m{0} = Mul (r{0}, f) q{0} = QuantizeLinear (m{0}, one, p)"
)


def parsed(body: str, inputs: str = "uint8[1, 8, 12, 12] x", result: str = "uint8[1, 8, 12, 12] y") -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["" : 21]> g ({inputs}) => ({result}) {SCALES} {{ {body} }}"""
    )
    weight = np.random.default_rng(1).integers(-128, 128, (8, 8, 1, 1)).astype(np.int8)
    next(i for i in model.graph.initializer if i.name == "w").CopyFrom(onnx.numpy_helper.from_array(weight, "w"))
    return model


def lowered(model: onnx.ModelProto) -> Program:
    """The program, after its answers were compared with ONNX Runtime's."""
    feeds = {"x": np.random.default_rng(0).integers(0, 256, (1, 8, 12, 12)).astype(np.uint8)}
    want = answers(session(model.SerializeToString()), feeds)
    with burnish.load(burnish.build(model), threads=1) as engine:
        np.testing.assert_array_equal(engine(feeds)["y"], want["y"])
    return analyze(model, abilities=Abilities(integer_products=True)).program


def temporaries(program: Program) -> list[Dim]:
    return sorted(int(s.size_bytes) for s in program.storages if s.kind == "arena")


def test_a_pool_reads_the_bytes_of_a_convolution_and_not_its_sums():
    pool = "y = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (q0)"
    program = lowered(parsed(f"{QUANTISED.format(0)} {pool}"))
    assert [type(x.kernel) for x in each_launch(program.steps)] == [Loops, Contraction, Loops]
    assert set(temporaries(program)) == {8 * 144}


def test_of_two_convolutions_that_are_added_the_first_stores_bytes():
    rest = """a = DequantizeLinear (q0, half, p) b = DequantizeLinear (q1, f, p)
    s = Add (a, b) y = QuantizeLinear (s, half, p)"""
    program = lowered(parsed(f"{QUANTISED.format(0)} {QUANTISED.format(1).replace('(x, w, p)', '(q0, w, p)')} {rest}"))
    assert set(temporaries(program)) == {8 * 144} and len(list(each_launch(program.steps))) == 3  # one copies x
    side = parsed(f"{QUANTISED.format(0)} {QUANTISED.format(1).replace('x, w, p', 'x, w')} {rest}")
    program = lowered(side)
    assert set(temporaries(program)) == {8 * 144} and len(list(each_launch(program.steps))) == 3  # one copies x


def test_an_image_of_bytes_has_its_channels_innermost_also_behind_a_pool():
    pool = "t = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x) y = ConvInteger (t, w, p)"
    program = lowered(parsed(pool, result="int32[1, 8, 12, 12] y"))
    (product,) = [x.kernel for x in each_launch(program.steps) if isinstance(x.kernel, Contraction)]
    assert product.a_strides[-1][1] == 1
