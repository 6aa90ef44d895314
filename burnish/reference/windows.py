"""Windows that slide over spatial axes: pooling, and the transposed convolution, which scatters them.

onnx's own MaxPool counts indices within a channel, drops dilations and windows that ceil_mode adds; its ConvTranspose
fails with groups.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Window:
    """One spatial axis: window y reads y * stride + tap * dilation - begin, in an axis of `extent`."""

    extent: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int
    output: int

    def places(self, tap: int) -> Array:
        return np.arange(self.output) * self.stride + tap * self.dilation - self.begin


def windows_of(spatial: Sequence[int], kernel: Sequence[int], attributes: dict[str, Any]) -> list[Window]:
    """The windows for strides, dilations, pads, auto_pad and ceil_mode. Each is None if it is left out."""
    rank = len(spatial)
    strides, dilations = (attributes.get(n) or [1] * rank for n in ("strides", "dilations"))
    pads, auto = attributes.get("pads") or [0] * (2 * rank), attributes.get("auto_pad") or "NOTSET"
    found = []
    for a in range(rank):
        extent, span = spatial[a], (kernel[a] - 1) * dilations[a] + 1
        begin, end = (0, 0) if auto == "VALID" else (pads[a], pads[rank + a])
        if auto.startswith("SAME"):
            output = -(-extent // strides[a])
            total = max((output - 1) * strides[a] + span - extent, 0)
            begin = total // 2 if auto == "SAME_UPPER" else total - total // 2
            end = total - begin
        elif attributes.get("ceil_mode") and auto == "NOTSET":
            output = -(-(extent + begin + end - span) // strides[a]) + 1
            output = min(output, -(-(extent + begin) // strides[a]))  # a window starts before the end
        else:
            room = extent + begin + end - span
            output = max(room // strides[a], min(-(-room // strides[a]), 0)) + 1  # rounded towards zero
        found.append(Window(extent, kernel[a], strides[a], dilations[a], begin, end, output))
    return found


def taps(x: Array, windows: Sequence[Window]) -> Iterator[tuple[Array, Array, list[Array]]]:
    """For each tap, in order: the elements of all windows, which of them are inside x, and their positions by axis."""
    rank = len(windows)
    for tap in itertools.product(*(range(w.kernel) for w in windows)):
        places = [w.places(t) for w, t in zip(windows, tap)]
        inside = np.ones([w.output for w in windows], bool)
        values = x
        for a, (w, place) in enumerate(zip(windows, places)):
            along = [-1 if b == a else 1 for b in range(rank)]
            inside &= ((place >= 0) & (place < w.extent)).reshape(along)
            values = np.take(values, np.clip(place, 0, w.extent - 1), axis=x.ndim - rank + a)
        yield values, inside, places


def max_pool(
    x: Array, *, kernel_shape: Sequence[int], storage_order: int = 0, **attributes: Any
) -> tuple[Array, Array]:
    """The largest element of each window, and its place, counted over the whole tensor."""
    windows = windows_of(x.shape[2:], kernel_shape, attributes)
    rank = len(windows)
    lowest = -np.inf if x.dtype.kind not in "iu" else np.iinfo(x.dtype).min
    shape = (*x.shape[:2], *(w.output for w in windows))
    best, where = np.full(shape, lowest, x.dtype), np.full(shape, -1, np.int64)
    pitches = np.cumprod([1, *(w.extent for w in (windows if storage_order else windows[::-1]))])[:-1]
    pitches = pitches if storage_order else pitches[::-1]
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * rank) * int(np.prod(x.shape[2:]))
    for values, inside, places in taps(x, windows):
        flat = planes
        for a, (place, pitch) in enumerate(zip(places, pitches)):
            flat = flat + (place * pitch).reshape([-1 if b == a else 1 for b in range(rank)])
        is_nan = values != values if x.dtype.kind not in "iu" else np.zeros(values.shape, bool)
        better = inside & ((where < 0) | (values > best) | (is_nan & (best == best)))
        best, where = np.where(better, values, best), np.where(better, flat, where)
    return best, where


def average_pool(x: Array, *, kernel_shape: Sequence[int], count_include_pad: int = 0, **attributes: Any) -> Array:
    """The mean of the elements inside x, optionally with those in its pads."""
    windows = windows_of(x.shape[2:], kernel_shape, attributes)
    wide = np.result_type(x.dtype, np.float32)
    total: Any = 0
    for values, inside, _ in taps(x.astype(wide), windows):
        total = total + np.where(inside, values, 0)
    count = np.ones((), wide)
    for a, w in enumerate(windows):
        low, high = (-w.begin, w.extent + w.end) if count_include_pad else (0, w.extent)
        counted = [(p >= low) & (p < high) for p in map(w.places, range(w.kernel))]
        count = count * np.sum(counted, axis=0).reshape([-1 if b == a else 1 for b in range(len(windows))])
    with np.errstate(all="ignore"):
        return np.asarray(total / count, x.dtype)


def lp_pool(x: Array, *, kernel_shape: Sequence[int], p: int = 2, **attributes: Any) -> Array:
    """sum(|element| ** p) ** (1 / p) over the elements inside x"""
    total: Any = 0
    windows = windows_of(x.shape[2:], kernel_shape, attributes)
    for values, inside, _ in taps(x.astype(np.result_type(x.dtype, np.float32)), windows):
        total = total + np.where(inside, np.abs(values) ** p, 0)
    return np.asarray(total ** (1 / p), x.dtype)


def global_lp_pool(x: Array, *, p: int = 2) -> Array:
    """sum(|element| ** p) ** (1 / p) of each channel"""
    wide = np.abs(x.astype(np.result_type(x.dtype, np.float32))) ** p
    return np.asarray(wide.sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p), x.dtype)


def conv_transpose(x: Array, w: Array, b: Array | None = None, *, group: int = 1, **attributes: Any) -> Array:
    """out[n, o, y * stride + tap * dilation - begin] += x[n, c, y] * w[c, o, tap], within each group"""
    rank, kernel = x.ndim - 2, w.shape[2:]
    strides, dilations = (attributes.get(n) or [1] * rank for n in ("strides", "dilations"))
    begins, shape = _scattered(x.shape[2:], kernel, strides, dilations, attributes)
    batch, per_group, channels = x.shape[0], w.shape[1], x.shape[1] // group
    wide = np.result_type(x.dtype, np.float32)
    full = [(x.shape[2 + a] - 1) * strides[a] + (kernel[a] - 1) * dilations[a] + 1 for a in range(rank)]
    total = np.zeros((batch, group, per_group, *full), wide)
    parts = x.astype(wide).reshape(batch, group, channels, -1)
    weights = w.astype(wide).reshape(group, channels, per_group, *kernel)
    for tap in itertools.product(*map(range, kernel)):
        product = np.einsum("ngcs,gco->ngos", parts, weights[_spatial(*tap)])
        at = tuple(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, s, n in zip(tap, dilations, strides, x.shape[2:]))
        total[_spatial(*at)] += product.reshape(batch, group, per_group, *x.shape[2:])
    total = total.reshape(batch, group * per_group, *full)
    result = np.zeros((batch, group * per_group, *shape), wide)
    source = tuple(slice(max(n, 0), max(n, 0) + max(m + min(n, 0), 0)) for n, m in zip(begins, shape))
    kept = total[_spatial(*source)]
    into = (slice(max(-n, 0), max(-n, 0) + m) for n, m in zip(begins, kept.shape[2:]))
    result[_spatial(*into)] = kept
    return np.asarray(result if b is None else result + b.reshape(-1, *(1,) * rank), x.dtype)


def _scattered(
    spatial: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], attributes: Any
) -> tuple[list[int], list[int]]:
    """The elements to cut from the start of each axis, and the remaining size."""
    rank, auto = len(spatial), attributes.get("auto_pad") or "NOTSET"
    pads, extra = attributes.get("pads") or [0] * (2 * rank), attributes.get("output_padding") or [0] * rank
    wanted = attributes.get("output_shape")
    begins, shape = [], []
    for a in range(rank):
        full = (spatial[a] - 1) * strides[a] + (kernel[a] - 1) * dilations[a] + 1 + extra[a]
        if wanted or auto.startswith("SAME"):
            shape.append(list(wanted)[-rank:][a] if wanted else spatial[a] * strides[a])
            total = max(full - shape[a], 0)
            begins.append(total // 2 if auto == "SAME_UPPER" else total - total // 2)
        else:
            begins.append(pads[a])
            shape.append(full - pads[a] - pads[rank + a])
    return begins, shape


def _spatial(*index: int | slice) -> Any:
    """An index of the last axes."""
    return (..., *index)
