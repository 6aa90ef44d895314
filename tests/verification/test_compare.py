"""The gate itself: what is right passes, what is wrong in any common way does not."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.verification.compare import compare
from burnish.verification.tolerance import HIGHEST, Tolerance, tolerance_for

Array = np.ndarray
FLOATS = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
DEEP = (200, 1_000_000)  # layers, terms: about the loosest tolerance a real model gets


def logits(dtype: object, shape: tuple[int, ...] = (16, 16)) -> Array:
    return np.random.default_rng(5).standard_normal(shape).astype(dtype)


FAULTS: dict[str, Callable[[Array], Array]] = {
    "scaled by 1.01": lambda y: (y.astype(np.float64) * 1.01).astype(y.dtype),
    "scaled by 0.99": lambda y: (y.astype(np.float64) * 0.99).astype(y.dtype),
    "transposed": lambda y: np.ascontiguousarray(y.T),
    "zeroed": np.zeros_like,
    "shifted by a row": lambda y: np.roll(y, 1, axis=0),
    "shifted by a column": lambda y: np.roll(y, 1, axis=1),
    "negated": lambda y: -y,
    "one element wrong": lambda y: np.where(np.arange(y.size).reshape(y.shape) == 100, y + y.dtype.type(0.1), y),
    "last row missing": lambda y: np.concatenate([y[:-1], np.zeros_like(y[-1:])]),
    "one nan": lambda y: np.where(np.arange(y.size).reshape(y.shape) == 7, y.dtype.type(np.nan), y),
    "one infinity": lambda y: np.where(np.arange(y.size).reshape(y.shape) == 7, y.dtype.type(np.inf), y),
    "another shape": lambda y: y.reshape(-1),
    "another type": lambda y: y.astype(np.int32),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_a_wrong_result_is_rejected_at_the_loosest_tolerance(dtype: object, fault: str) -> None:
    right = logits(dtype)
    limit = Tolerance(tolerance_for(DType.of(dtype), *DEEP))
    if fault.startswith("scaled") and dtype is ml_dtypes.bfloat16:
        pytest.skip("a step of bf16 is 0.8 %: 1 % is about one rounding")
    wrong = FAULTS[fault](right).astype(right.dtype) if fault != "another type" else FAULTS[fault](right)
    found = compare("y", wrong, right, limit)
    assert not found.is_accepted
    assert found.reason


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"one element wrong"}))
@pytest.mark.parametrize("stored", [DType.F16, DType.BF16])
def test_a_wrong_result_of_a_plan_in_lower_precision_is_rejected_too(stored: DType, fault: str) -> None:
    right = logits(np.float32)
    limit = Tolerance(tolerance_for(DType.F32, *DEEP), layers=DEEP[0]).narrowed(stored)
    assert compare("y", right.astype(stored.numpy).astype(np.float32), right, limit).is_accepted
    assert not compare("y", FAULTS[fault](right), right, limit).is_accepted


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"one element wrong"}))
def test_a_wrong_result_of_a_quantised_model_is_rejected_too(fault: str) -> None:
    right = logits(np.float32)
    assert not compare("y", FAULTS[fault](right), right, Tolerance(HIGHEST, quantised=True)).is_accepted


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_a_result_within_rounding_is_accepted(dtype: object) -> None:
    exact = np.random.default_rng(5).standard_normal((64, 512)) @ np.random.default_rng(6).standard_normal((512, 64))
    right = exact.astype(dtype)
    limit = Tolerance(tolerance_for(DType.of(dtype), 1, 512))
    assert compare("y", right, right, limit).is_accepted
    ours = np.nextafter(right, np.inf, dtype=dtype) if dtype is not ml_dtypes.bfloat16 else right
    assert compare("y", ours, right, limit).is_accepted


def test_numbers_are_what_they_are_called() -> None:
    right = np.array([1.0, -2.0, 4.0], np.float32)
    ours = np.array([1.0, -2.0, np.nextafter(np.float32(4), np.float32(5))], np.float32)
    found = compare("y", ours, right, Tolerance(1e-6))
    assert found.max_ulp == 1
    assert found.max_abs == pytest.approx(2.0**-21)
    assert found.max_relative == pytest.approx(2.0**-23)
    assert found.rms_relative == pytest.approx(2.0**-21 / np.sqrt(21))
    assert found.cosine == pytest.approx(1.0)
    assert compare("y", -right, right, Tolerance(1.0)).cosine == pytest.approx(-1.0)


def test_ulp_counts_across_zero_and_at_the_ends() -> None:
    tiny = np.float32(1e-45)
    assert compare("y", np.array([tiny]), np.array([-tiny]), Tolerance(1)).max_ulp == 2
    largest = np.finfo(np.float64).max
    found = compare("y", np.array([largest]), np.array([-largest]), Tolerance(1))
    assert found.max_ulp == 2 * int(np.float64(largest).view(np.int64))
    assert not found.is_accepted


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_must_be_where_the_oracle_has_them(value: float) -> None:
    right = np.array([1.0, value, 2.0], np.float32)
    assert compare("y", right.copy(), right, Tolerance(1e-6)).is_accepted
    assert not compare("y", np.array([1.0, 2.0, value], np.float32), right, Tolerance(1e-6)).is_accepted
    assert not compare("y", np.array([1.0, -value, 2.0], np.float32), right, Tolerance(1e-6)).is_accepted or np.isnan(
        value
    )


def test_zeros_must_be_zeros() -> None:
    zeros = np.zeros((2, 2), np.float32)
    assert compare("y", zeros, zeros, Tolerance(1e-6)).is_accepted
    assert not compare("y", zeros + np.float32(1e-9), zeros, Tolerance(1e-6)).is_accepted


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, object])
def test_what_is_not_a_float_must_be_equal(dtype: object) -> None:
    right = np.array([[1, 0], [0, 1]]).astype(dtype) if dtype is not object else np.array(["a", "b"], dtype=object)
    assert compare("y", right.copy(), right, Tolerance(0.0)).is_accepted
    assert not compare("y", np.roll(right, 1), right, Tolerance(0.0)).is_accepted


def test_an_8_bit_output_of_a_quantised_model_may_be_a_step_off_here_and_there() -> None:
    right = np.arange(1000, dtype=np.int64).astype(np.uint8)
    ours = right.copy()
    ours[:10] += 1
    assert compare("y", ours, right, Tolerance(HIGHEST, quantised=True)).is_accepted
    assert not compare("y", ours, right, Tolerance(0.0)).is_accepted
    ours[:11] = right[:11] + 1
    assert not compare("y", ours, right, Tolerance(HIGHEST, quantised=True)).is_accepted
    ours = right.copy()
    ours[0] += 2
    assert not compare("y", ours, right, Tolerance(HIGHEST, quantised=True)).is_accepted


def test_complex_numbers_are_judged_by_their_parts() -> None:
    right = (np.arange(4) + 1j * np.arange(4)[::-1]).astype(np.complex64)
    limit = Tolerance(tolerance_for(DType.C64, 10, 10))
    assert compare("y", right * np.complex64(1 + 1e-7), right, limit).is_accepted
    assert not compare("y", np.conj(right), right, limit).is_accepted


def test_an_empty_output_is_accepted() -> None:
    assert compare("y", np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), Tolerance(1e-6)).is_accepted
