"""agree.py: what two right answers may differ by, and what no right answer does."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from burnish.tune.compare_answers import difference

VALUES = np.random.default_rng(0).uniform(0.5, 1, (7, 5))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_one_rounding_is_allowed_and_a_percent_is_not(dtype: type) -> None:
    reference = VALUES.astype(dtype)
    step = np.float64(ml_dtypes.finfo(dtype).eps)
    assert difference([(VALUES * (1 + step / 2)).astype(dtype)], [reference]) <= 1
    assert difference([(VALUES * 1.02).astype(dtype)], [reference]) > 1
    assert difference([reference[::-1]], [reference]) > 1
    assert difference([np.zeros_like(reference)], [reference]) > 1


def test_nans_must_be_in_the_same_places() -> None:
    a, b = VALUES.copy(), VALUES.copy()
    a[0, 0] = b[0, 0] = np.nan
    assert difference([a], [b]) == 0
    b[0, 0] = 1.0
    assert difference([a], [b]) == difference([b], [a]) == np.inf


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.bool_])
def test_integers_must_be_equal(dtype: type) -> None:
    a = np.ones(4, dtype)
    assert difference([a], [a]) == 0
    assert difference([np.zeros(4, dtype)], [a]) == np.inf


def test_a_quantised_value_may_be_a_step_off() -> None:
    a = np.full(4, 7, np.uint8)
    assert difference([a + 1], [a]) <= 1
    assert difference([a + 2], [a]) > 1


def test_every_output_counts_and_no_output_is_agreement() -> None:
    assert difference([VALUES, VALUES * 2], [VALUES, VALUES]) > 1
    assert difference([], []) == 0
