"""Histograms: against all numbers at once, whatever the order and the number of samples."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.histogram import FINE, Histogram


def of(*arrays: np.ndarray) -> Histogram:
    found = Histogram()
    for array in arrays:
        found.add(array)
    return found


def parts(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [(random.standard_normal(3000) * 2.0 ** random.integers(-9, 9)).astype(np.float32) for _ in range(7)]


def same(left: Histogram, right: Histogram) -> bool:
    return np.array_equal(left.counts, right.counts) and (
        (left.reach, left.low, left.high, left.count, left.zeros, left.bad)
        == (right.reach, right.low, right.high, right.count, right.zeros, right.bad)
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_samples_does_not_matter(seed: int) -> None:
    arrays = parts(seed)
    assert same(of(*arrays), of(*arrays[::-1]))
    assert same(of(*arrays), of(np.concatenate(arrays)))


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_numpy(seed: int) -> None:
    numbers = np.concatenate(parts(seed))
    found = of(numbers)
    assert found.reach / 2 < np.abs(numbers).max() <= found.reach
    edges = np.arange(-FINE, FINE + 1) * (found.reach / FINE)
    assert np.array_equal(found.counts, np.histogram(numbers, edges)[0])
    assert (found.low, found.high, found.count) == (numbers.min(), numbers.max(), numbers.size)


def test_two_histograms_merge_to_that_of_all() -> None:
    arrays = parts(1)
    left, right = of(*arrays[:3]), of(*arrays[3:])
    left.merge(right)
    assert same(left, of(*arrays))
    left.merge(Histogram())
    assert same(left, of(*arrays))


def test_zeros_and_what_is_not_finite_are_counted_apart() -> None:
    found = of(np.array([0.0, -0.0, 1.5, np.nan, np.inf, -np.inf], np.float32), np.zeros((2, 2), np.float32))
    assert (found.count, found.zeros, found.bad) == (10, 6, 3)
    assert (found.low, found.high, found.counts.sum()) == (0.0, 1.5, 1)


def test_a_tensor_of_zeros_alone_has_no_largest_magnitude() -> None:
    assert of(np.zeros(4, np.float32)).largest == 0.0
    assert Histogram().largest == 0.0
    assert of(np.array([np.nan], np.float32)).largest == 0.0


def test_folding_keeps_every_number_and_its_place() -> None:
    numbers = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    found = of(numbers)
    folded = found.folded(64)
    wanted = np.histogram(np.abs(numbers), 64, (0, found.largest))[0]
    assert folded.sum() == pytest.approx(numbers.size)
    assert np.abs(folded - wanted).max() <= 20  # numbers of the fine bins that an edge cuts


def test_the_smallest_subnormal_number_has_a_bin() -> None:
    assert of(np.array([1e-45], np.float32)).counts.sum() == 1
