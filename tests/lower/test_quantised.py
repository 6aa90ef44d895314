"""quantised.py and the wants of integer products: roundings as the model has them, and bytes in memory, not sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.reference
import pytest

import burnish
from burnish.building.analyze import analyze
from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Contraction, Loops, Program, each_launch
from burnish.lower.buffers import Buffers
from burnish.lower.quantised import place_blocks, round_products, summands
from burnish.ops.language.definition import Blocked, Tensor
from burnish.ops.language.expr import Axis, axis, const, load, reduce, text
from tests.end_to_end.oracle import answers, session


def test_a_product_outside_of_reductions_is_rounded():
    a = Axis("a", 4)
    x = load(0, DType.F32, [const(0, DType.I64)])
    total = reduce("sum", (a,), load(1, DType.F32, [axis(a)]) * x)
    assert text(round_products(x * x + total)) == text(x * x + total).replace(
        "mul(0[0:i64],0[0:i64])", "unfused_mul(0[0:i64],0[0:i64])"
    )


@pytest.mark.parametrize(
    ("low", "high", "dtype", "shape"),
    [
        (0, 255, np.uint8, (2, 6, 5)), (-121, 134, np.int8, (2, 2, 6, 5)), (-256, 254, np.int8, (2, 2, 6, 5)),
        (-1, 255, np.int16, (2, 6, 5)), (-257, 0, np.int16, (2, 6, 5)),
    ],
)  # fmt: skip
def test_weights_of_nine_bits_are_sums_of_two_bytes_for_tiles(
    low: int, high: int, dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    weights = np.resize(np.array([low, high, 0, 100, 127], np.int16).clip(low, high), (2, 6, 5))
    found = summands(weights, 1, True)
    assert found.dtype == dtype and found.shape == shape
    total = found.astype(np.int64).sum(1) if len(shape) == 4 else found
    assert np.array_equal(total, weights)
    assert summands(weights, 1, False) is weights


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
        got = engine(feeds)["y"]
    if got.dtype == np.float32:
        np.testing.assert_allclose(got, want["y"], rtol=2e-6)
    else:
        np.testing.assert_array_equal(got, want["y"])
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


RANDOM = np.random.default_rng(0)


def tensor(name: str, array: Any) -> Tensor:
    return Tensor(name, DType.of(array.dtype), array.shape, array=array)


def placed(zero: Any, scale: Any = None, bits: int = 4) -> tuple[list[Any], Any]:
    """[3 columns, 2 blocks of 16], of which 20 k exist"""
    codes = RANDOM.integers(0, 256, (3, 2, 16 * bits // 8)).astype(np.uint8)
    scale = RANDOM.standard_normal((3, 2)).astype(np.float32) if scale is None else scale
    form = Blocked(tensor("w", codes), tensor("s", scale), None if zero is None else tensor("z", zero), 16, bits)
    buffers = Buffers(frozenset())
    parts, blocks = place_blocks(form, "w", 20, buffers)
    return [buffers.constants[p.storage] for p in parts], (blocks, codes, scale)


def test_codes_lie_by_k_and_symmetric_ones_are_signed():
    (kept, scales), (blocks, codes, scale) = placed(None)
    nibbles = np.stack([codes & 15, codes >> 4], -1).reshape(3, 32)[:, :20].T
    np.testing.assert_array_equal(kept, nibbles ^ 8)
    np.testing.assert_array_equal(scales, scale.T)
    assert (blocks.size, blocks.bits, blocks.scale, blocks.zero) == (16, 4, 2, None)


def test_zero_points_of_the_middle_are_none():
    assert placed(np.full((3, 1), 0x88, np.uint8))[1][0].zero is None
    assert placed(np.full((3, 2), 8, np.float32))[1][0].zero is None


@pytest.mark.parametrize(
    ("zero", "dtype"),
    [
        (np.array([[0x10], [0x32], [0xF4]], np.uint8), np.uint8),
        (np.arange(6, dtype=np.float32).reshape(3, 2), np.uint8),
        (np.arange(6, dtype=np.float16).reshape(3, 2) + np.float16(0.5), np.float16),
        (np.linspace(0, 1, 6, dtype=np.float32).reshape(3, 2), np.float32),
        (np.arange(12, 18, dtype=np.float32).reshape(3, 2), DType.BF16.numpy),  # no code of four bits is 16
    ],
)
def test_zero_points_are_kept_in_the_narrowest_type(zero: Any, dtype: Any):
    (_, _, kept), (blocks, *_) = placed(zero)
    assert blocks.zero == 3
    assert kept.dtype == dtype
    values = zero if zero.dtype != np.uint8 else np.stack([zero & 15, zero >> 4], -1).reshape(3, 2)
    np.testing.assert_array_equal(kept.astype(np.float32), values.astype(np.float32).T)


def test_scales_that_16_bits_hold_are_kept_in_them():
    assert placed(None, np.full((3, 2), 0.375, np.float32))[0][1].dtype.itemsize == 2


def rows_of_codes(rest: str) -> Program:
    """A product, its codes, and what reads them in rows of a tensor of f32."""
    nodes = f"{QUANTISED.format(0)} d = DequantizeLinear (q0, f, p) {rest}"
    return lowered(parsed(nodes, result="float[1, 8, 12, 12] y"))


def test_a_softmax_reads_the_codes_that_the_product_before_stores():
    """Not its sums, which each of the three passes would quantise again."""
    program = rows_of_codes("y = Softmax <axis = 3> (d)")
    assert [type(x.kernel) for x in each_launch(program.steps)] == [Loops, Contraction, Loops]
    assert set(temporaries(program)) == {8 * 144}


def test_two_kernels_read_codes_and_not_what_they_stand_for():
    program = rows_of_codes("e = Softmax <axis = 3> (d) g = Softmax <axis = 2> (d) y = Add (e, g)")
    assert temporaries(program)[-2:] == [8 * 144, 8 * 144]  # the image of x, and the codes; totals of rows are less


def computed_codes(dtype: type[np.generic], *shape: int) -> Any:
    info = np.iinfo(dtype)  # type: ignore[type-var]
    return RANDOM.integers(info.min, int(info.max) + 1, shape).astype(dtype)


PRODUCTS = {  # of x, y: shape, zero point (None: there is none; a shape: a run tells it)
    "codes alone": ((3, 5, 70), None, (3, 70, 33), None),
    "zero points of a run": ((2, 4, 9, 16), (), (2, 4, 16, 40), ()),
    "a zero point for each row and column": ((9, 21), (9,), (21, 20), (20,)),
    "one matrix for several": ((3, 4, 5, 18), (), (1, 4, 18, 7), ()),
    "one row for several": ((1, 6, 8), None, (5, 8, 3), ()),
    "constant codes, a zero point of a run": ((4, 24), (), [24, 17], (17,)),
}


@pytest.mark.parametrize("case", PRODUCTS.values(), ids=PRODUCTS.keys())
@pytest.mark.parametrize("types", [(np.uint8, np.uint8), (np.int8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
@pytest.mark.parametrize("is_turned", [False, True])
def test_a_product_of_two_computed_matrices_of_codes(case: Any, types: Any, is_turned: bool) -> None:
    of_x, zero_x, of_y, zero_y = case
    x, y = computed_codes(types[0], *of_x), computed_codes(types[1], *of_y)
    zeros = [None if z is None else computed_codes(t, *z) for z, t in zip((zero_x, zero_y), types)]
    names = ["" if z is None else n for z, n in zip(zeros, "pq")]
    given = {"x": x, "y": y} | {n: z for n, z in zip(names, zeros) if z is not None}
    fixed = {"y": given.pop("y")} if isinstance(of_y, list) else {}
    if is_turned and not fixed:
        order = [*range(y.ndim - 2), y.ndim - 1, y.ndim - 2]
        given["y"] = np.ascontiguousarray(y.transpose(order))
        body = f"t = Transpose <perm = {order}> (y) z = MatMulInteger (x, t, {names[0]}, {names[1]})"
    else:
        body = f"z = MatMulInteger (x, y, {names[0]}, {names[1]})"
    left = x.astype(np.float64) - (0 if zeros[0] is None else zeros[0].astype(np.float64).reshape(*zeros[0].shape, 1))
    right = y.astype(np.float64) - (0 if zeros[1] is None else zeros[1].astype(np.float64))
    np.testing.assert_array_equal(run_body(body.replace(", , )", ")"), given, fixed), left @ right)


IMAGES = {  # of w: shape, zero point; ConvInteger's attributes; w is constant if its shape is a list
    "weights of a run": ((6, 4, 3, 3), None, {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    "groups, several zero points": ((6, 2, 3, 2), (6,), {"group": 2, "dilations": [1, 2], "pads": [0, 1, 0, 1]}),
    "1 x 1": ((5, 4, 1, 1), (), {}),
    "depthwise": ((4, 1, 3, 3), (), {"group": 4, "pads": [1, 1, 1, 1]}),
    "a zero point of a run": ([6, 4, 3, 3], (6,), {"pads": [1, 1, 1, 1]}),
}  # fmt: skip


@pytest.mark.parametrize("case", IMAGES.values(), ids=IMAGES.keys())
@pytest.mark.parametrize("types", [(np.uint8, np.uint8), (np.int8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
@pytest.mark.parametrize("is_fixed", [False, True])
def test_a_convolution_with_computed_codes_or_zero_points(case: Any, types: Any, is_fixed: bool) -> None:
    of_w, zero, attributes = case
    x, w, p = computed_codes(types[0], 2, 4, 6, 7), computed_codes(types[1], *of_w), computed_codes(types[0])
    q = None if zero is None else computed_codes(types[1], *zero)
    text = ", ".join(f"{n} = {v}" for n, v in attributes.items())
    body = f"z = ConvInteger <{text}> (x, w, p{'' if q is None else ', q'})".replace("<> ", "")
    given = {"x": x, "w": w, "p": p} | ({} if q is None else {"q": q})
    fixed = {n: given.pop(n) for n in ("w" * isinstance(of_w, list) + "p" * is_fixed)}
    centred = w.astype(np.float64) - (0 if q is None else q.astype(np.float64).reshape(-1, *(1,) * 3 * (q.ndim > 0)))
    want = correlated(x.astype(np.float64) - float(p), centred, **attributes)
    np.testing.assert_array_equal(run_body(body, given, fixed), want)


@pytest.mark.parametrize("groups, is_by_channel", [(1, False), (1, True), (2, False)])
def test_a_convolution_of_codes_whose_weights_a_run_quantises_gives_the_codes_of_onnxruntime(
    groups: int, is_by_channel: bool
) -> None:
    random = np.random.default_rng(5)
    axis, scales = ("<axis = 0> ", random.uniform(0.005, 0.02, 6)) if is_by_channel else ("", 0.01)
    zeros = random.integers(-9, 9, 6) if is_by_channel else 5
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["" : 21]>
        g (uint8[2, 8, 9, 11] x, float[6, {8 // groups}, 3, 3] w) => (uint8[2, 6, 9, 11] z) {{
          d = DequantizeLinear (x, f, p)  c = QuantizeLinear {axis}(w, s, q)  v = DequantizeLinear {axis}(c, s, q)
          y = Conv <group = {groups}, pads = [1, 1, 1, 1]> (d, v)  z = QuantizeLinear (y, o, p) }}"""
    )
    fixed = {"f": np.float32(0.02), "o": np.float32(0.037), "p": np.uint8(120)}
    fixed |= {"s": np.asarray(scales, np.float32), "q": np.asarray(zeros, np.int8)}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in fixed.items())
    program = analyze(model, abilities=Abilities(integer_products=True)).program
    (product,) = (x.kernel for x in each_launch(program.steps) if isinstance(x.kernel, Contraction))
    assert product.slots[0].dtype is DType.U8 and product.slots[1].dtype is DType.I8
    x = random.integers(0, 256, (2, 8, 9, 11)).astype(np.uint8)
    w = random.standard_normal((6, 8 // groups, 3, 3)).astype(np.float32)
    (want,) = session(model.SerializeToString()).run(None, {"x": x, "w": w})
    with burnish.load(burnish.build(model), threads=1) as engine:
        got = engine({"x": x, "w": w})["z"]
    assert len(np.unique(want)) > 30
    np.testing.assert_array_equal(got, want)


def run_body(body: str, given: dict[str, Any], fixed: dict[str, Any]) -> Any:
    """What a plan answers for the integer output z."""
    types = {np.dtype(np.uint8): "uint8", np.dtype(np.int8): "int8"}
    inputs = ", ".join(f"{types[a.dtype]}{list(a.shape) if a.ndim else ''} {n}" for n, a in given.items())
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["" : 21]> g ({inputs}) => (int32 z) {{{body}}}"""
    )
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in fixed.items())
    with burnish.load(burnish.build(model), threads=1) as engine:
        return engine(given)["z"]


def correlated(
    x: Any, w: Any, group: int = 1, pads: Any = (0, 0, 0, 0), strides: Any = (1, 1), dilations: Any = (1, 1)
) -> Any:
    """A convolution in f64."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    reach = [1 + (n - 1) * d for n, d in zip(w.shape[2:], dilations)]
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    seen = seen[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]
    parts = zip(np.split(seen, group, axis=1), np.split(w, group))
    return np.concatenate([np.einsum("nchwij,ocij->nohw", a, b) for a, b in parts], axis=1)


def test_what_attention_reads_is_stored_by_the_product_and_not_as_its_sums() -> None:
    """Q and DQ between product and attention, heads moved behind them: numbers in one launch, no sum in memory."""
    body = """i = MatMulInteger (x, w, p) f = Cast <to = 1> (i) m = Mul (f, s) q = QuantizeLinear (m, t, p)
    r = Reshape (q, n) h = Transpose <perm = [0, 2, 1, 3]> (r) d = DequantizeLinear (h, t, p) y = Attention (d, d, d)"""
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["" : 23]> g (uint8[2, 6, 32] x) => (float[2, 4, 6, 8] y)
        <float s = {{0.000317}}, float t = {{0.02}}, uint8 p = {{120}}, int64[4] n = {{2, 6, 4, 8}},
         int8[32, 32] w = {{1}}>
        {{ {body} }}"""
    )
    random = np.random.default_rng(7)
    weight = random.integers(-128, 128, (32, 32)).astype(np.int8)
    next(i for i in model.graph.initializer if i.name == "w").CopyFrom(onnx.numpy_helper.from_array(weight, "w"))
    feeds = {"x": random.integers(0, 256, (2, 6, 32)).astype(np.uint8)}
    with burnish.load(burnish.build(model), threads=1) as engine:
        got = engine(feeds)["y"]
    want = onnx.reference.ReferenceEvaluator(model).run(None, feeds)[0]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    program = analyze(model, abilities=Abilities(integer_products=True)).program
    assert [type(x.kernel).__name__ for x in each_launch(program.steps)] == ["Contraction", "AttentionTask"]
