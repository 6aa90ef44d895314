"""Dtypes in memory and in registers (conversions: test_loops, test_half_conversions_are_exact_on_every_level)."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.target import Target
from burnish.targets.cpu.builder import F32, F64, I1, I8, I16
from burnish.targets.cpu.expressions.storage import register_type, storage_type
from tests.targets.cpu.elementwise import evaluate
from tests.targets.cpu.run_kernel import runnable

WITH_BF16 = Target("cpu", "x86-64-v4", ("bf16",))


def test_half_precision_lies_in_memory_as_bits_and_is_computed_in_f32():
    for dtype in (DType.F16, DType.BF16):
        assert storage_type(dtype) == I16 and register_type(dtype) == F32


def test_bool_is_a_byte_in_memory_and_a_bit_in_registers():
    assert storage_type(DType.BOOL) == I8 and register_type(DType.BOOL) == I1


def test_wide_floats_stay_what_they_are():
    assert storage_type(DType.F64) == register_type(DType.F64) == F64


@pytest.mark.parametrize("dtype", [DType.F8E5M2, DType.STRING])
def test_what_has_no_code_is_an_internal_error(dtype):
    with pytest.raises(InternalError, match=f"E901: elements of {dtype.value}"):
        storage_type(dtype)


@pytest.mark.skipif(not runnable(WITH_BF16), reason="this machine has no vcvtneps2bf16")
def test_the_instruction_rounds_normal_numbers_as_the_bit_arithmetic_does():
    bits = np.random.default_rng(4).integers(0x00800000, 0x7F800000, 1 << 16).astype(np.uint32)
    signs = np.random.default_rng(5).integers(0, 2, 1 << 16).astype(np.uint32) << np.uint32(31)
    ties = np.array([0x3F808000, 0x3F818000, 0x7F7F8000, 0x7F800000, 0xFF800000, 0, 0x80000000], np.uint32)
    values = np.concatenate([bits | signs, ties]).view(np.float32)
    with np.errstate(over="ignore"):
        want = values.astype(ml_dtypes.bfloat16)
    found = evaluate("cast", WITH_BF16, values, result=DType.BF16)
    np.testing.assert_array_equal(found[: values.size].view(np.uint16), want.view(np.uint16))
    assert np.isnan(evaluate("cast", WITH_BF16, np.array([np.nan], np.float32), result=DType.BF16)[0])


LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]


@pytest.mark.parametrize("level", LEVELS)
def test_every_float8_is_read_exactly(level):
    target = Target("cpu", level)
    if not runnable(target):
        pytest.skip("this machine has no such instructions")
    codes = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn)
    found = evaluate("cast", target, codes, result=DType.F32)[:256]
    np.testing.assert_array_equal(found, codes.astype(np.float32))
    assert np.array_equal(np.signbit(found), np.signbit(codes.astype(np.float32)))  # -0 stays one


@pytest.mark.parametrize("level", LEVELS)
def test_numbers_become_the_nearest_float8_and_saturate(level):
    target = Target("cpu", level)
    if not runnable(target):
        pytest.skip("this machine has no such instructions")
    all_codes = np.arange(127, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float64)
    ties = ((all_codes[1:] + all_codes[:-1]) / 2).astype(np.float32)  # and what is just beside them
    near = np.concatenate([ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(1e9)), all_codes])
    random = np.random.default_rng(6).integers(0x3A000000, 0x43E00000, 1 << 14).astype(np.uint32).view(np.float32)
    ends = np.array([448, 463.9, 464, 480, 1e30, np.inf, 2.0**-10, 2.0**-11, 1e-40, 0.0], np.float32)
    values = np.concatenate([near.astype(np.float32), random, ends])
    values = np.concatenate([values, -values, [np.nan]]).astype(np.float32)
    want = np.clip(values, -448, 448).astype(ml_dtypes.float8_e4m3fn)
    found = evaluate("cast", target, values, result=DType.F8E4M3)[: values.size]
    np.testing.assert_array_equal(found.view(np.uint8)[:-1], want.view(np.uint8)[:-1])
    assert np.isnan(found[-1].astype(np.float32))
