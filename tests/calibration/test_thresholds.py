"""Thresholds: against a plain search over the same candidates, and on histograms whose best clip is known."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from burnish.calibration.histogram import BINS, Histogram
from burnish.calibration.thresholds import choose_range, entropy, mse, parse_method
from burnish.errors import UserError
from burnish.precision.codes import codes_of
from burnish.precision.ranges import Range


def divergence(counts: np.ndarray, end: int, levels: int) -> float:
    """As the docstring of `entropy` says, bin by bin."""
    p = counts[:end].copy()
    p[-1] += counts[end:].sum()
    q = np.zeros(end)
    for level in range(levels):
        group = slice(end * level // levels, end * (level + 1) // levels)
        filled = p[group] > 0
        if filled.any():
            q[group] = np.where(filled, max(counts[:end][group].sum(), 1e-4) / filled.sum(), 0.0)
    p, q = p / p.sum(), q / counts[:end].sum()
    used = p > 0
    with np.errstate(divide="ignore"):
        return float((p[used] * np.log(p[used] / q[used])).sum())


def squared_error(counts: np.ndarray, end: int, levels: int) -> float:
    """Of every bin's middle: clipped to the middle of bin `end`, or a twelfth of a step squared."""
    kept = 1.0 if end == len(counts) else (end + 0.5) / len(counts)
    middles = (np.arange(len(counts)) + 0.5) / len(counts)
    return float((counts * np.where(middles > kept, (middles - kept) ** 2, (kept / (levels - 1)) ** 2 / 12)).sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [127, 255])
def test_entropy_finds_what_a_plain_search_finds(seed: int, steps: int) -> None:
    random = np.random.default_rng(seed)
    counts = np.histogram(np.abs(random.standard_t(3, 20_000)), 400)[0].astype(float)
    found = {end: divergence(counts, end, steps + 1) for end in range(steps + 1, 401)}
    errors = {end: squared_error(counts, end, steps + 1) for end in found}
    best = min((end for end in found if errors[end] <= 1.1 * min(errors.values())), key=lambda end: found[end])
    share = 1.0 if best == 400 else (best + 0.5) / 400
    assert entropy(counts, steps) == pytest.approx(share)


def test_entropy_clips_a_lone_outlier_and_keeps_even_numbers() -> None:
    body = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    found = Histogram()
    found.add(np.append(body, np.float32(100)))
    assert choose_range(found, "entropy").high < 50  # of 100: one number of 200,000
    even = Histogram()
    even.add(np.linspace(-1, 1, 100_000, dtype=np.float32))
    assert choose_range(even, "entropy").high > 0.98


def test_entropy_keeps_the_few_large_numbers_that_carry_a_tensor() -> None:
    """What a detector's last layer reads: 1 number of 500 is a tenth of the sum of squares, and 40 steps away."""
    random = np.random.default_rng(5)
    numbers = np.abs(np.append(random.normal(0, 0.02, 500_000), random.normal(1.0, 0.1, 1_000))).astype(np.float32)
    found = Histogram()
    found.add(numbers)
    chosen = choose_range(found, "entropy").high
    codes = np.clip(np.rint(numbers / (chosen / 255)), 0, 255) * (chosen / 255)
    assert ((codes - numbers) ** 2).sum() < 0.01 * (numbers.astype(np.float64) ** 2).sum()


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_mse_is_the_best_of_many_clips(scale: float) -> None:
    numbers = (np.random.default_rng(2).laplace(size=200_000) * scale).astype(np.float32)
    found = Histogram()
    found.add(numbers)
    chosen = choose_range(found, "mse").largest

    def error(most: float) -> float:
        step = most / 127
        codes = np.clip(np.rint(numbers / step), -127, 127)
        return float(((codes * step - numbers) ** 2).mean())

    best = min(error(found.largest * share) for share in np.linspace(0.05, 1, 96))
    assert error(chosen) <= best * 1.01


def test_a_percentile_leaves_out_its_share_and_minmax_nothing() -> None:
    numbers = np.random.default_rng(3).standard_normal(200_000).astype(np.float32)
    found = Histogram()
    found.add(numbers)
    assert choose_range(found, "percentile:99").largest == pytest.approx(np.percentile(np.abs(numbers), 99), rel=5e-3)
    assert choose_range(found, "minmax").largest == found.largest


def test_a_tensor_that_is_never_negative_keeps_its_sign() -> None:
    found = Histogram()
    found.add(np.maximum(np.random.default_rng(0).standard_normal(50_000), 0).astype(np.float32))
    for method in ("entropy", "mse", "percentile", "minmax"):
        assert choose_range(found, method).low == 0.0


@pytest.mark.parametrize("word", ["kl", "percentile:", "percentile:101", "entropy:3", "percentile:x", 7])
def test_other_methods_are_refused(word: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_method(word)
    assert caught.value.code == "E723"


def test_zeros_alone_have_the_range_zero() -> None:
    found = Histogram()
    found.add(np.zeros(5, np.float32))
    assert choose_range(found, "entropy").largest == 0.0


def test_one_number_is_kept() -> None:
    counts = np.zeros(BINS)
    counts[-1] = 5
    assert entropy(counts, 127) > 0.999 and mse(counts, 127) > 0.999


def kept_error(numbers: np.ndarray, kept: Range, kind: str) -> float:
    """Mean squared error of the codes of a range, by numpy and ml_dtypes."""
    codes = codes_of(kept, kind)
    if kind == "fp8":
        found = np.clip(numbers / codes.scale, -448, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float64)
    else:
        limits = np.iinfo(codes.dtype)
        found = np.clip(np.rint(numbers / codes.scale) + codes.zero, limits.min, limits.max) - float(codes.zero)
    return float(((found * codes.scale - numbers) ** 2).mean())


@pytest.mark.parametrize("method", ["minmax", "mse", "entropy", "percentile:99.9"])
def test_asymmetric_codes_lose_less_of_a_tensor_that_reaches_farther_on_one_side(method: str) -> None:
    numbers = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    numbers[numbers < 0] *= 0.1
    found = Histogram()
    found.add(numbers)
    plain, kept = choose_range(found, method), choose_range(found, f"{method}+asymmetric")
    assert kept.is_asymmetric and kept.codes == np.uint8 and not plain.is_asymmetric
    most = {"minmax": 0.4, "mse": 0.4}.get(method, 1.0)  # 1.8 times as many steps
    assert kept_error(numbers, kept, "int8") < most * kept_error(numbers, plain, "int8")


def test_the_least_squared_error_of_asymmetric_codes_is_found() -> None:
    numbers = np.random.default_rng(1).standard_t(5, 50_000).astype(np.float32)
    numbers[numbers < 0] *= np.float32(1 / -numbers.min())  # to -1
    found = Histogram()
    found.add(numbers)
    high = float(numbers.max())
    tried = [Range(max(-1.0, -m), min(high, m), True) for m in np.linspace(0.01, 1, 300) * found.largest]
    best = min(kept_error(numbers, kept, "int8") for kept in tried)
    assert kept_error(numbers, choose_range(found, "mse+asymmetric"), "int8") <= 1.1 * best


def test_a_tensor_without_negative_numbers_needs_no_zero_point() -> None:
    found = Histogram()
    found.add(np.linspace(0, 1, 100, dtype=np.float32))
    assert choose_range(found, "minmax+asymmetric") == choose_range(found, "minmax")


@pytest.mark.parametrize("degrees", [1.5, 3, 30])
def test_the_least_squared_error_of_float8_is_found(degrees: float) -> None:
    numbers = np.random.default_rng(2).standard_t(degrees, 40_000).astype(np.float32)
    found = Histogram()
    found.add(numbers)
    tried = np.linspace(0.01, 1, 200) * found.largest
    best = min(kept_error(numbers, Range(-most, most), "fp8") for most in tried)
    assert (
        kept_error(numbers, choose_range(found, "mse", "fp8"), "fp8") <= 1.1 * best
    )  # the error of a step is expected, not measured


def test_float8_has_no_zero_point() -> None:
    with pytest.raises(UserError, match="E723"):
        parse_method("minmax+asymmetric", "fp8")
    for word in ("minmax+other", "+asymmetric", "minmax+"):
        with pytest.raises(UserError, match="E723"):
            parse_method(word)
