"""LRN and LpNormalization. onnx's own LRN uses other channels; its LpNormalization omits the magnitudes for p = 1."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def lrn(x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Array:
    """x / (bias + alpha / size * sum of squares over `size` channels around it) ** beta"""
    wide = x.astype(np.result_type(x.dtype, np.float32))
    square, total = wide * wide, np.zeros_like(wide)
    before, after = (size - 1) // 2, size // 2
    for c in range(x.shape[1]):
        total[:, c] = square[:, max(c - before, 0) : c + after + 1].sum(axis=1)
    return np.asarray(wide / (bias + alpha / size * total) ** beta, x.dtype)


def lp_normalization(x: Array, *, axis: int = -1, p: int = 2) -> Array:
    """x / its norm along the axis; 0 where the norm is 0"""
    wide = x.astype(np.result_type(x.dtype, np.float32))
    norm = np.abs(wide).sum(axis, keepdims=True) if p == 1 else np.sqrt((wide * wide).sum(axis, keepdims=True))
    return np.asarray(wide / np.where(norm == 0, 1, norm), x.dtype)
