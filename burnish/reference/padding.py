"""Pad in all its modes. onnx's own fails for a negative pad if the mode is not constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
WHERE: dict[str, Callable[[Array, int], Array]] = {
    "edge": lambda at, n: np.clip(at, 0, n - 1),
    "wrap": lambda at, n: at % n,
    "reflect": lambda at, n: np.zeros_like(at) if n == 1 else n - 1 - np.abs(at % (2 * (n - 1)) - (n - 1)),
}


def pad(x: Array, pads: Array, value: Any = None, axes: Any = None, *, mode: str = "constant") -> Array:
    """Negative pads cut x first; the rest is then padded."""
    chosen = range(x.ndim) if axes is None else [int(a) % x.ndim for a in axes]
    begin, end = [0] * x.ndim, [0] * x.ndim
    for n, a in enumerate(chosen):
        begin[a], end[a] = int(pads[n]), int(pads[len(chosen) + n])
    x = x[tuple(slice(max(-b, 0), n - max(-e, 0)) for b, e, n in zip(begin, end, x.shape))]
    begin, end = [max(b, 0) for b in begin], [max(e, 0) for e in end]
    if mode == "constant":
        fill = np.zeros((), x.dtype) if value is None else np.asarray(value).reshape(-1)[0]
        result = np.full([n + b + e for n, b, e in zip(x.shape, begin, end)], fill, x.dtype)
        result[tuple(slice(b, b + n) for b, n in zip(begin, x.shape))] = x
        return result
    for a, n in enumerate(x.shape):
        if begin[a] or end[a]:
            x = np.take(x, WHERE[mode](np.arange(-begin[a], n + end[a]), n), axis=a)
    return x
