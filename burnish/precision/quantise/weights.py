"""Codes of a constant weight: i8, symmetric, a scale for each output channel, half to even."""

from __future__ import annotations

import numpy as np

from burnish.passes.rewrite.constants import Array
from burnish.precision.ranges import SMALLEST

MOST = 127  # not -128: the range is symmetric, and so is its error


def quantise_weight(weight: Array, axis: int) -> tuple[Array, Array]:
    """The i8 codes of an f32 weight, and the f32 scales along `axis`.

    A channel of zeros gets the scale 1. Error: half a scale of each weight.
    """
    others = tuple(a for a in range(weight.ndim) if a != axis)
    largest = np.abs(weight).max(others) if weight.size else np.zeros(weight.shape[axis], np.float32)
    scales = np.where(largest > 0, np.maximum(largest / np.float32(MOST), np.float32(SMALLEST)), np.float32(1))
    scales = scales.astype(np.float32)
    shape = [-1 if a == axis else 1 for a in range(weight.ndim)]
    codes = np.clip(np.rint(weight / scales.reshape(shape)), -MOST, MOST).astype(np.int8)
    return codes, scales


def rounding_of(weight: Array, axis: int) -> Array:
    """The weight that the codes stand for less the weight, f64."""
    codes, scales = quantise_weight(weight, axis)
    shape = [-1 if a == axis else 1 for a in range(weight.ndim)]
    return codes * scales.astype(np.float64).reshape(shape) - weight
