"""Dtypes in memory and in registers (conversions: test_loops, test_half_conversions_are_exact_on_every_level)."""

from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.targets.cpu.builder import F32, F64, I1, I8, I16
from burnish.targets.cpu.storage import register_type, storage_type


def test_half_precision_lies_in_memory_as_bits_and_is_computed_in_f32():
    for dtype in (DType.F16, DType.BF16):
        assert storage_type(dtype) == I16 and register_type(dtype) == F32


def test_bool_is_a_byte_in_memory_and_a_bit_in_registers():
    assert storage_type(DType.BOOL) == I8 and register_type(DType.BOOL) == I1


def test_wide_floats_stay_what_they_are():
    assert storage_type(DType.F64) == register_type(DType.F64) == F64


@pytest.mark.parametrize("dtype", [DType.F8E4M3, DType.F8E5M2, DType.STRING])
def test_what_has_no_code_is_an_internal_error(dtype):
    with pytest.raises(InternalError, match=f"E901: elements of {dtype.value}"):
        storage_type(dtype)
