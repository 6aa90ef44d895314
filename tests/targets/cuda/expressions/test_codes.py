"""Codes of 8 bits are those of the arithmetic that docs/quantization.md states, for every float, tie and zero point."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.codes import simplify_codes
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, Expr, axis, binary, cast, const, load
from burnish.ops.quantize import requantize
from burnish.target import parse_target
from burnish.targets.cuda.expressions.codes import codes_of
from burnish.targets.cuda.loops import template as loops
from tests.targets.cuda.interpret import interpret

HOPPER = parse_target("cuda:sm_90a")
LIMITS = {DType.U8: (0, 255), DType.I8: (-128, 127)}
ZEROS = [(DType.U8, 0), (DType.U8, 114), (DType.U8, 255), (DType.I8, 0), (DType.I8, -128), (DType.I8, 77)]


def run(value: Expr, arrays: list[np.ndarray], result: DType) -> np.ndarray:
    """The value for each element of arrays of one length; numbers of one element are the same for all."""
    (i,) = {a for e in [value] for a in _axes(e)}
    out = np.zeros(i.extent, result.numpy)
    slots = tuple(Slot(DType.of(a.dtype), (len(a),), (1,)) for a in (*arrays, out))
    kernel = Loops(slots, (i,), (Store(len(arrays), (axis(i),), value),))
    source = loops.emit(kernel, loops.schedules(kernel, HOPPER, {})[0], HOPPER)
    interpret(source, {**dict(enumerate(arrays)), len(arrays): out}, written={len(arrays)})
    return out


def _axes(e: Expr) -> set[Axis]:
    return {e.attr} if e.op == "axis" else set().union(*map(_axes, e.args))


def numbers(scale: float) -> np.ndarray:
    """Ties and what lies next to them, at this scale; large and special floats."""
    ties = ((np.arange(-700, 701) / 2) * np.float64(scale)).astype(np.float32)
    near = [np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(-np.inf))]
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-42, -1e-42, 1e9, -1e9], np.float32)
    return np.concatenate([ties, *near, special])


def quantised(x: np.ndarray, scale: float, zero: int, dtype: DType) -> np.ndarray:
    """saturate(rint(x / scale) + zero), a NaN is the lowest code."""
    with np.errstate(all="ignore"):
        quotient = x / np.float32(scale)
    low, high = LIMITS[dtype]
    codes = np.rint(quotient.astype(np.float64)) + zero
    return np.where(np.isnan(codes), low, np.clip(codes, low, high)).astype(dtype.numpy)


@pytest.mark.parametrize(("dtype", "zero"), ZEROS)
@pytest.mark.parametrize("scale", [1.0, 0.0625, 0.0377, 3.9e-3, 1e-30])
def test_a_number_becomes_the_nearest_code(dtype: DType, zero: int, scale: float):
    x = numbers(scale)
    value = load(0, DType.F32, [axis(Axis("i0", len(x)))])
    value = binary("div", value, const(float(np.float32(scale)), DType.F32))
    root = simplify_codes(requantize(value, const(zero, dtype), dtype), True)
    assert codes_of(root) is not None
    np.testing.assert_array_equal(run(root, [x], dtype), quantised(x, scale, zero, dtype))


@pytest.mark.parametrize(("dtype", "zero"), ZEROS)
def test_scales_and_zero_points_may_be_data(dtype: DType, zero: int):
    x, scale = numbers(0.0377), np.array([0.0377], np.float32)
    of_scale, of_zero = load(1, DType.F32, [const(0, DType.I64)]), load(2, dtype, [const(0, DType.I64)])
    value = binary("div", load(0, DType.F32, [axis(Axis("i0", len(x)))]), of_scale)
    root = simplify_codes(requantize(value, of_zero, dtype), True)
    found = run(root, [x, scale, np.array([zero], dtype.numpy)], dtype)
    np.testing.assert_array_equal(found, quantised(x, 0.0377, zero, dtype))


@pytest.mark.parametrize(("dtype", "zero"), ZEROS)
@pytest.mark.parametrize("is_data", [False, True])
def test_every_code_becomes_its_number(dtype: DType, zero: int, is_data: bool):
    low, high = LIMITS[dtype]
    codes = np.arange(low, high + 1).astype(dtype.numpy)
    taken = load(1, dtype, [const(0, DType.I64)]) if is_data else const(zero, dtype)
    whole = cast(load(0, dtype, [axis(Axis("i0", 256))]), DType.I32) - cast(taken, DType.I32)
    value = binary("unfused_mul", cast(whole, DType.F32), const(0.1, DType.F32))
    arrays = [codes, np.array([zero], dtype.numpy)] if is_data else [codes]
    want = (codes.astype(np.float32) - np.float32(zero)) * np.float32(0.1)
    np.testing.assert_array_equal(run(value, arrays, DType.F32), want)


def test_other_casts_to_bytes_are_no_codes():
    x = load(0, DType.F32, [axis(Axis("i0", 4))])
    assert codes_of(cast(x, DType.U8)) is None
    assert codes_of(cast(cast(x, DType.I32) + const(3, DType.I32), DType.I8)) is None
    assert codes_of(requantize(x, None, DType.U16)) is None
