"""Interpolation between elements: Resize and GridSample, nearest, linear and cubic.

onnx's own Resize uses length * scale as the output's length even if it is not a whole number. Its GridSample pads the
point instead of each of the sixteen elements that a cubic interpolation reads.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
F32 = np.float32
NEAREST: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - F32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + F32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


@dataclass(frozen=True)
class Line:
    """One axis: `scale` is output / extent as the node gives it, or as it follows from the sizes."""

    extent: int
    output: int
    scale: float
    crop: tuple[float, float] | None = None


def resize(x: Array, roi: Any = None, scales: Any = None, sizes: Any = None, **attributes: Any) -> Array:
    """Resize axis by axis. Outside x, tf_crop_and_resize reads extrapolation_value."""
    lines = _lines(x, roi, scales, sizes, attributes)
    wide = np.result_type(x.dtype, np.float32)
    mode = attributes.get("mode") or "nearest"
    result = x if mode == "nearest" else x.astype(wide)
    outside = np.zeros(1, bool)
    for axis, line in lines.items():
        at = coordinates(line, attributes)
        along = [-1 if a == axis else 1 for a in range(x.ndim)]
        if line.crop is not None:
            outside = outside | ((at < 0) | (at > line.extent - 1)).reshape(along)
        places, weights = _taps(line, at, mode, attributes)
        parts = [np.take(result, np.clip(p, 0, line.extent - 1), axis=axis) for p in places]
        if mode == "nearest":
            (result,) = parts
            continue
        result = sum(part * w.astype(wide).reshape(along) for part, w in zip(parts, weights))
    if outside.any():
        result = np.where(outside, attributes.get("extrapolation_value") or 0, result)
    return _in_dtype(result, x.dtype)


def _in_dtype(result: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "iu" and result.dtype.kind == "f":
        result = np.clip(result, np.iinfo(dtype).min, np.iinfo(dtype).max)
    return result.astype(dtype)


def _lines(x: Array, roi: Any, scales: Any, sizes: Any, attributes: dict[str, Any]) -> dict[int, Line]:
    """The axes that change."""
    axes = [a % x.ndim for a in attributes.get("axes") or range(x.ndim)]
    extents = [x.shape[a] for a in axes]
    if sizes is not None and len(sizes):
        outputs = [int(s) for s in sizes]
        policy = attributes.get("keep_aspect_ratio_policy") or "stretch"
        factors = [s / e for s, e in zip(outputs, extents)]
        if policy != "stretch":
            ratios = [Fraction(s, e) for s, e in zip(outputs, extents)]
            common = min(ratios) if policy == "not_larger" else max(ratios)
            outputs = [math.floor(common * e + Fraction(1, 2)) for e in extents]
            factors = [float(common)] * len(axes)
    else:
        factors = [float(s) for s in scales]
        outputs = [math.floor(e * s) for e, s in zip(extents, factors)]
    is_crop = attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    found = {}
    for n, (axis, extent, output, factor) in enumerate(zip(axes, extents, outputs, factors)):
        crop = (float(roi[n]), float(roi[len(axes) + n])) if is_crop else None
        if crop is not None or extent != output or factor != 1:
            found[axis] = Line(extent, output, factor, crop)
    return found


def coordinates(line: Line, attributes: dict[str, Any]) -> Array:
    """Where each output lies on the input's axis, in f32."""
    mode = attributes.get("coordinate_transformation_mode") or "half_pixel"
    i = np.arange(line.output, dtype=F32)
    extent, output, scale = F32(line.extent), F32(line.output), F32(line.scale)
    if mode == "asymmetric":
        return i / scale
    if mode == "align_corners":
        return i * (extent - 1) / max(output - 1, F32(1))
    if mode == "tf_crop_and_resize":
        assert line.crop is not None
        begin, end = map(F32, line.crop)
        if line.output == 1:
            return (begin + end) * F32(0.5) * (extent - 1) + i
        return begin * (extent - 1) + i * (end - begin) * (extent - 1) / (output - 1)
    half = (i + F32(0.5)) / scale - F32(0.5)
    if mode == "pytorch_half_pixel":
        return half if line.output > 1 else i
    if mode == "half_pixel_symmetric":
        return extent / 2 * (1 - output / (scale * extent)) + half
    if mode != "half_pixel":
        raise NotImplementedError(f"Resize(coordinate_transformation_mode='{mode}')")
    return half


def _taps(line: Line, at: Array, mode: str, attributes: dict[str, Any]) -> tuple[list[Array], list[Array]]:
    """The elements that each output reads, and their weights."""
    if mode == "nearest":
        return [NEAREST[attributes.get("nearest_mode") or "round_prefer_floor"](at).astype(np.int64)], []
    below = np.floor(at)
    after = at - below
    weight = _linear if mode == "linear" else _cubic(float(attributes.get("cubic_coeff_a") or -0.75))
    reach = 1 if mode == "linear" else 2
    squeeze = min(line.scale, 1.0) if attributes.get("antialias") else 1.0
    first = math.floor(-reach / squeeze) + 1
    offsets = range(first, 2 - first)
    places = [below.astype(np.int64) + n for n in offsets]
    weights = [np.asarray(weight((n - after) * F32(squeeze)), F32) for n in offsets]
    if leaves_out := bool(attributes.get("exclude_outside")):
        weights = [np.where((p >= 0) & (p < line.extent), w, 0) for p, w in zip(places, weights)]
    if leaves_out or squeeze < 1:
        total = sum(weights)
        weights = [w / np.where(total == 0, 1, total) for w in weights]
    return places, weights


def _linear(distance: Array) -> Array:
    return np.clip(1 - np.abs(distance), 0, 1)


def _cubic(a: float) -> Callable[[Array], Array]:
    def weight(distance: Array) -> Array:
        d = np.abs(distance)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.asarray(np.where(d <= 1, near, np.where(d < 2, far, 0)))

    return weight


def grid_sample(
    x: Array, grid: Array, *, mode: str = "linear", padding_mode: str = "zeros", align_corners: int = 0
) -> Array:
    """x[n, c] at grid[n, y...]; the last coordinate of a point belongs to the first spatial axis."""
    wide = np.result_type(x.dtype, np.float32)
    spatial = x.shape[2:]
    rank, points = len(spatial), grid.astype(np.result_type(grid.dtype, np.float32))[..., ::-1]
    with np.errstate(all="ignore"):
        at = [_pixels(points[..., a], spatial[a], bool(align_corners)) for a in range(rank)]
        if mode not in ("cubic", "bicubic"):
            at = [_moved(p, n, padding_mode, bool(align_corners)) for p, n in zip(at, spatial)]
        if mode == "nearest":
            taps = [[(np.rint(p), np.ones_like(p))] for p in at]
        else:
            weight, reach = (_linear, 1) if mode in ("linear", "bilinear") else (_cubic(-0.75), 2)
            below = [np.floor(p) for p in at]
            offsets = range(1 - reach, 1 + reach)
            taps = [[(b + n, weight(p - b - n)) for n in offsets] for p, b in zip(at, below)]
        total = np.zeros((*x.shape[:2], *grid.shape[1:-1]), wide)
        for corner in itertools.product(*taps):
            value = _elements(x.astype(wide), [p for p, _ in corner], padding_mode, bool(align_corners))
            for _, w in corner:
                value = value * w.astype(wide)[:, None]
            total = total + value
    return np.asarray(total, x.dtype)


def _pixels(point: Array, extent: int, align: bool) -> Array:
    """-1 .. 1 as positions: between the outer pixels' centres, or between their outer edges."""
    one, half = point.dtype.type(1), point.dtype.type(0.5)
    at = (point + one) * half * (extent - 1) if align else ((point + one) * extent - one) * half
    return np.asarray(at)


def _moved(at: Array, extent: int, padding: str, align: bool) -> Array:
    """Move positions outside x inside, if the padding mode requires it."""
    if padding == "border":
        return np.clip(at, 0, extent - 1)
    if padding == "zeros":
        return at
    half = 0.0 if align else 0.5
    span = extent - 1 + 2 * half
    if span == 0:
        return np.zeros_like(at)
    folded = np.fmod(np.abs(at + half), 2 * span)
    return np.asarray(np.where(folded > span, 2 * span - folded, folded) - at.dtype.type(half))


def _elements(x: Array, places: Sequence[Array], padding: str, align: bool) -> Array:
    """x at whole positions. A position outside x is moved inside, or reads as 0."""
    inside = np.ones(places[0].shape, bool)
    index = []
    for place, extent in zip(places, x.shape[2:]):
        place = np.nan_to_num(_moved(place, extent, padding, align), nan=-1, posinf=extent, neginf=-1)
        place = np.clip(place, -1, extent)
        inside &= (place >= 0) & (place <= extent - 1) if padding == "zeros" else np.isfinite(place)
        index.append(np.clip(np.rint(place), 0, extent - 1).astype(np.int64))
    batch = np.arange(x.shape[0]).reshape(-1, *(1,) * (places[0].ndim - 1))
    values = np.moveaxis(x, 1, -1)[(batch, *index)]
    return np.asarray(np.moveaxis(np.where(inside[..., None], values, 0), -1, 1))
