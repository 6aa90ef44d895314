from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.dtypes import DType
from burnish.kernels.codes import is_safe, simplify_codes
from burnish.ops.language.expr import cast, const, load, unary, walk
from burnish.ops.quantize import requantize

SCALES = [float(np.float32(s)) for s in np.random.default_rng(5).uniform(1e-4, 3.0, 30)]
EXTREME = [float(np.float32(s)) for s in (1e-18, 3e-7, 0.99999994, 1.0000001, 7e17, 1e-30, 1e25)]


def quantised(scales: list[float], zero: int, dtype: type = np.uint8) -> onnx.ModelProto:
    """x quantised by each scale."""
    nodes, constants, outputs = [], [numpy_helper.from_array(np.asarray(zero, dtype), "zero")], []
    for n, scale in enumerate(scales):
        constants.append(numpy_helper.from_array(np.float32(scale), f"scale{n}"))
        nodes.append(helper.make_node("QuantizeLinear", [f"x{n}", f"scale{n}", "zero"], [f"y{n}"]))
        outputs.append(helper.make_tensor_value_info(f"y{n}", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["n"]))
    inputs = [helper.make_tensor_value_info(f"x{n}", TensorProto.FLOAT, ["n"]) for n in range(len(scales))]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def near_ties(scale: float, low: int, high: int) -> np.ndarray:
    """The floats around each product of the scale and n + 1/2, and numbers that are none, or too large, or tiny."""
    middle = ((np.arange(low - 2, high + 2) + 0.5) * scale).astype(np.float32)
    around = [middle]
    for direction in (np.inf, -np.inf):
        each = middle
        for _ in range(4):
            each = np.nextafter(each, np.float32(direction))
            around.append(each)
    odd = [np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0, -0.0, 1e-38, -1e-38, low * scale, high * scale]
    return np.concatenate([*around, np.asarray(odd, np.float32)])


@pytest.mark.parametrize("zero", [0, 113])
@pytest.mark.parametrize("target", ["cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4"])
def test_codes_are_those_of_a_division(target: str, zero: int) -> None:
    scales = [*SCALES, *EXTREME, UNSAFE]
    feeds = {f"x{n}": near_ties(s, -zero, 255 - zero) for n, s in enumerate(scales)}
    shapes = {name: x.shape for name, x in feeds.items()}
    plan = burnish.build(quantised(scales, zero).SerializeToString(), target=target, shapes=shapes)
    with burnish.load(plan) as engine:
        found = engine(feeds)
    for n, scale in enumerate(scales):
        x = feeds[f"x{n}"]
        with np.errstate(over="ignore", invalid="ignore"):
            codes = np.clip(np.rint(x / np.float32(scale)), -zero, 255 - zero) + zero
        np.testing.assert_array_equal(found[f"y{n}"], np.where(np.isnan(x), 0, codes), err_msg=str(scale))


def middles(low: int, high: int) -> list[Fraction]:
    """The numbers between each n + 1/2 and the floats beside it."""
    found = []
    for n in range(low, high):
        tie = np.float32(n + 0.5)
        for other in (np.inf, -np.inf):
            beside = np.nextafter(tie, np.float32(other))
            found.append((Fraction(float(tie)) + Fraction(float(beside))) / 2)
    return found


def nearest(scale: float, low: int, high: int) -> Fraction:
    """How near the quotient of a float by the scale comes to one of the middles, as a share of it."""
    least = Fraction(1)
    for middle in middles(low, high):
        product = middle * Fraction(scale)
        digits = math.frexp(float(product))[1] - 24
        rest = product / Fraction(2) ** digits % 1
        least = min(least, min(rest, 1 - rest) * Fraction(2) ** digits / abs(product))
    return least


UNSAFE = next(
    s
    for s in (float(np.float32(x)) for x in np.random.default_rng(0).uniform(0.01, 0.1, 20000))
    if not is_safe(s, 0, 255)
)


def test_a_division_stays_where_a_quotient_comes_near_to_the_middle_beside_a_tie() -> None:
    assert nearest(UNSAFE, 0, 255) < Fraction(1, 2**44)
    for scale in SCALES:
        if is_safe(scale, -113, 142):
            assert nearest(scale, -113, 142) > Fraction(1, 2**46)


def test_nearly_all_scales_are_safe_and_very_small_or_large_ones_are_not() -> None:
    many = np.random.default_rng(1).uniform(1e-3, 1, 2000).astype(np.float32)
    assert np.mean([is_safe(float(s), 0, 255) for s in many]) > 0.99
    assert not is_safe(1e-30, 0, 255) and not is_safe(1e25, 0, 255)


def ops(root: object) -> list[str]:
    return [e.op for e in walk(root)]  # type: ignore[arg-type]


def test_a_code_that_becomes_a_number_at_once_is_never_a_byte() -> None:
    zero = const(113, DType.U8)
    code = requantize(load(0, DType.F32, [0]), zero, DType.U8)
    number = cast(cast(code, DType.I32) - cast(zero, DType.I32), DType.F32)
    direct = simplify_codes(number, True)
    assert "add" not in ops(direct) and all(e.dtype is not DType.U8 for e in walk(direct))


def test_a_code_keeps_its_bytes_where_the_clamp_is_of_another_type() -> None:
    wide = requantize(load(0, DType.F32, [0]), const(0, DType.U16), DType.U16)
    assert simplify_codes(cast(cast(wide, DType.U8), DType.I32), True) is cast(cast(wide, DType.U8), DType.I32)


def test_only_targets_with_a_fast_quotient_get_one() -> None:
    code = requantize(load(0, DType.F32, [0]) / 0.03757830336689949, None, DType.U8)
    assert "div" in ops(simplify_codes(code, False)) and "quotient" not in ops(simplify_codes(code, False))
    assert "div" not in ops(simplify_codes(code, True)) and "quotient" in ops(simplify_codes(code, True))
    unknown = requantize(unary("round", load(0, DType.F32, [0]) / load(1, DType.F32, [])), None, DType.U8)
    assert "quotient" not in ops(simplify_codes(unknown, True))
