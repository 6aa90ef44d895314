"""ReduceSumSquare, ReduceLogSum and ReduceLogSumExp. onnx's own change the type of integers, or fail without axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def reduction(function: Callable[..., Array]) -> Callable[..., Array]:
    """ReduceX over axes that may be left out, or empty; the result has x's dtype."""

    def reduce(x: Array, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, **_: Any) -> Array:
        given = () if axes is None else tuple(int(a) for a in np.asarray(axes).reshape(-1))
        over = given if given or noop_with_empty_axes else tuple(range(x.ndim))
        with np.errstate(all="ignore"):
            return np.asarray(function(x, over, bool(keepdims))).astype(x.dtype)

    return reduce


def _wide(x: Array) -> Array:
    wide: Array = x.astype(np.float64) if x.dtype.kind in "iu" else x.astype(np.result_type(x.dtype, np.float32))
    return wide


def sum_square(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
    x = x if x.dtype.kind in "iu" else _wide(x)
    return np.asarray(np.sum(x * x, axis=axes, keepdims=keep, dtype=x.dtype))


def log_sum(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
    return np.asarray(np.log(np.sum(_wide(x), axis=axes, keepdims=keep)))


def log_sum_exp(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
    """m + log(sum(exp(x - m))), m the finite maximum"""
    wide = _wide(x)
    top = np.max(wide, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(wide - top), axis=axes, keepdims=True)) + top
    return np.asarray(
        total if keep else total.reshape([n for a, n in enumerate(total.shape) if a not in _inside(axes, x.ndim)])
    )


def _inside(axes: tuple[int, ...], rank: int) -> set[int]:
    return {a % rank for a in axes}
