from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import UserError

from .onnx_node import assert_same, onnxruntime, ours

few = settings(max_examples=25, deadline=None, derandomize=True)


def f32(*values):
    return np.asarray(values, np.float32)


@few
@given(st.integers(-9, 9), st.integers(-9, 9).filter(bool))
def test_integer_division_truncates_and_mod_follows_the_divisor(a, b):
    x, y = np.asarray([a], np.int32), np.asarray([b], np.int32)
    assert_same("Div", [x, y], oracle=onnxruntime)
    assert_same("Mod", [x, y], oracle=onnxruntime)
    assert_same("Mod", [x, y], oracle=onnxruntime, fmod=1)


@pytest.mark.parametrize("op_type", ["Max", "Min"])
def test_extremes_keep_nan_on_either_side(op_type):
    (y,) = ours(op_type, [f32(np.nan, 1), f32(1, np.nan)])
    assert np.isnan(y).all()


@pytest.mark.parametrize("exponent", [-1, 0.5, 1, 2, 3, 1.5])
def test_constant_exponents_agree_with_onnxruntime(exponent):
    assert_same("Pow", [f32(0.25, 1, 4, 9), f32(exponent)], oracle=onnxruntime)


def test_power_keeps_the_dtype_of_its_base():
    assert_same("Pow", [np.asarray([2, 3], np.int32), f32(2.5, 0.5)])


def test_clip_without_bounds_and_with_one():
    assert_same("Clip", [f32(-5, 0, 5), None, f32(2).reshape(())])
    assert_same("Clip", [f32(-5, 0, 5)])


def test_variadic_sum_broadcasts():
    assert_same("Sum", [np.ones((2, 1), np.float32), np.ones((1, 3), np.float32), f32(1)])


def test_operands_of_two_element_types_are_refused():
    with pytest.raises(UserError, match="E203"):
        ours("Add", [f32(1), np.asarray([1], np.int64)])
