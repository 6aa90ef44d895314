"""Metrics that well-kept libraries compute: PSNR and SSIM (scikit-image), Spearman (scipy), word errors (jiwer)."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.errors import EnvironmentProblem

Array = np.ndarray[Any, Any]
Outputs = Sequence[Mapping[str, Array]]
PACKAGES = {"skimage": "scikit-image", "scipy": "scipy", "jiwer": "jiwer", "pycocotools": "pycocotools"}
SMALLEST = 7  # side of SSIM's window


def needed(module: str, metric: str) -> Any:
    """A library's module. E763 if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = PACKAGES[module.partition(".")[0]]
        what, hint = f"the metric {metric} needs {package}", "pip install 'burnish[calibration]'"
        raise EnvironmentProblem("E763", what, why=str(error), hint=hint) from error


def peak_signal(ours: Outputs, exact: Outputs, peak: float | None = None) -> float:
    """PSNR in dB over all samples of the first output. peak: f32's largest less its smallest number, if left out."""
    error, count, low, high = 0.0, 0, np.inf, -np.inf
    for a, b in zip(each_first(ours), each_first(exact), strict=True):
        a, b = a.astype(np.float64), b.astype(np.float64)
        if not np.isfinite(a).all():
            return float("-inf")
        if not np.array_equal(a, b):
            error += needed("skimage.metrics", "psnr").mean_squared_error(b, a) * b.size
        count, low, high = count + b.size, min(low, b.min(initial=np.inf)), max(high, b.max(initial=-np.inf))
    if not error:
        return float("inf")
    own = (float(high - low) if peak is None else peak) or 1.0
    return float(10 * np.log10(own**2 / (error / count)))


def similarity(ours: Sequence[Array], exact: Sequence[Array]) -> float:
    """Mean SSIM of images [..., H, W] over all their planes; the range of numbers is that of f32's.

    raises: ValueError for images of fewer than two axes, or smaller than the window of 7 x 7
    """
    ssim = needed("skimage.metrics", "ssim").structural_similarity
    images = [np.asarray(b, np.float64) for b in exact]
    if any(b.ndim < 2 or min(b.shape[-2:]) < SMALLEST for b in images):
        raise ValueError(f"SSIM takes images [..., height, width] of at least {SMALLEST} x {SMALLEST}")
    peak = float(max(b.max() for b in images) - min(b.min() for b in images)) or 1.0
    found = []
    for a, b in zip(ours, images, strict=True):
        planes = zip(np.asarray(a, np.float64).reshape(-1, *b.shape[-2:]), b.reshape(-1, *b.shape[-2:]), strict=True)
        found += [float(ssim(y, x, data_range=peak)) if np.isfinite(x).all() else -1.0 for x, y in planes]
    return float(np.mean(found))


def correlation(a: Any, b: Any) -> float:
    """Spearman's rank correlation; -1 if a number is NaN, 0 if all are equal (nothing is ranked then)."""
    x, y = np.asarray(a, np.float64).reshape(-1), np.asarray(b, np.float64).reshape(-1)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return -1.0
    stats = needed("scipy.stats", "spearman")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant input, which is dealt with here
        found = float(stats.spearmanr(x, y).statistic)
    return 0.0 if np.isnan(found) else found


def word_errors(found: Sequence[str], truth: Sequence[str]) -> float:
    """Word error rate: edits for each word of the truth."""
    return float(needed("jiwer", "wer").wer(list(truth), list(found)))


def each_first(outputs: Outputs) -> Iterator[Array]:
    """The first output of each run, one at a time."""
    return (np.asarray(next(iter(each.values()))) for each in outputs)
