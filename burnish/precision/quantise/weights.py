"""Codes of a constant weight: i8 or float8, symmetric, a scale for each output channel, half to even."""

from __future__ import annotations

import numpy as np

from burnish.ops.quantize import FLOAT8_MOST
from burnish.passes.rewrite.constants import Array
from burnish.precision.codes import FLOAT8
from burnish.precision.ranges import SMALLEST
from burnish.precision.words import FP8, INT8

MOST = 127  # not -128: the range is symmetric, and so is its error


def quantise_weight(weight: Array, axis: int, kind: str = INT8) -> tuple[Array, Array]:
    """The codes of an f32 weight, and the f32 scales along `axis`.

    A channel of zeros gets the scale 1. Error: half a scale of each weight; of float8 a sixteenth of the weight.
    """
    most = np.float32(FLOAT8_MOST if kind == FP8 else MOST)
    others = tuple(a for a in range(weight.ndim) if a != axis)
    largest = np.abs(weight).max(others) if weight.size else np.zeros(weight.shape[axis], np.float32)
    scales = np.where(largest > 0, np.maximum(largest / most, np.float32(SMALLEST)), np.float32(1))
    scales = scales.astype(np.float32)
    shape = [-1 if a == axis else 1 for a in range(weight.ndim)]
    inside = np.clip(weight / scales.reshape(shape), -most, most)
    return inside.astype(FLOAT8) if kind == FP8 else np.rint(inside).astype(np.int8), scales


def rounding_of(weight: Array, axis: int, kind: str = INT8) -> Array:
    """The weight that the codes stand for less the weight, f64."""
    codes, scales = quantise_weight(weight, axis, kind)
    shape = [-1 if a == axis else 1 for a in range(weight.ndim)]
    return codes.astype(np.float64) * scales.astype(np.float64).reshape(shape) - weight
