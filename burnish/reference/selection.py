"""Which elements are chosen: NonMaxSuppression, Unique, OneHot, GatherElements, MaxRoiPool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def non_max_suppression(
    boxes: Array,
    scores: Array,
    most: Array | None = None,
    iou_threshold: Array | None = None,
    score_threshold: Array | None = None,
    *,
    center_point_box: int = 0,
) -> Array:
    """[batch, class, box] of each kept box, best first. Without a limit no box is kept: the default is 0."""
    limit = 0 if most is None else int(np.asarray(most).reshape(-1)[0])
    overlap = 0.0 if iou_threshold is None else float(np.asarray(iou_threshold).reshape(-1)[0])
    least = None if score_threshold is None else float(np.asarray(score_threshold).reshape(-1)[0])
    corners = _corners(boxes, bool(center_point_box))
    found: list[tuple[int, int, int]] = []
    for n in range(scores.shape[0]):
        for c in range(scores.shape[1]):
            row = scores[n, c]
            order = np.argsort(-row, kind="stable")
            candidates = order if least is None else order[row[order] > least]
            found += [(n, c, int(b)) for b in _kept(corners[n], candidates, overlap, limit)]
    return np.array(found, np.int64).reshape(-1, 3)


def _corners(boxes: Array, centred: bool) -> Array:
    """[low y, low x, high y, high x]"""
    if centred:
        half = boxes[..., 2:] / 2
        return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)
    first, second = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=-1)


def _kept(boxes: Array, candidates: Array, overlap: float, limit: int) -> list[int]:
    kept: list[int] = []
    while len(candidates) and len(kept) < limit:
        best, candidates = candidates[0], candidates[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[candidates, :2])
        high = np.minimum(boxes[best, 2:], boxes[candidates, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=-1)
        areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)
        union = areas[best] + areas[candidates] - common
        with np.errstate(all="ignore"):
            ratio = np.where((common > 0) & (union > 0), common / union, 0)
        candidates = candidates[~(ratio > overlap)]
    return kept


def unique(x: Array, *, axis: int | None = None, sorted: int = 1) -> tuple[Array, Array, Array, Array]:
    """Y, first positions, inverse indices and counts, in order of first positions unless sorted."""
    rows = x.reshape(-1, 1) if axis is None else np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    _, first, back, counts = np.unique(rows, axis=0, return_index=True, return_inverse=True, return_counts=True)
    back = back.reshape(-1)
    if not sorted:
        order = np.argsort(first, kind="stable")
        back = np.argsort(order, kind="stable")[back]
        first, counts = first[order], counts[order]
    y = x.reshape(-1)[first] if axis is None else np.take(x, first, axis=axis)
    return y, first.astype(np.int64), back.astype(np.int64), counts.astype(np.int64)


def one_hot(indices: Array, depth: Array, values: Array, *, axis: int = -1) -> Array:
    """Fractions of indices are cut off. An index out of range gives the off value everywhere."""
    extent = int(np.asarray(depth).reshape(-1)[0])
    whole = np.asarray(indices).astype(np.int64)
    place = np.expand_dims(np.where(whole < 0, whole + extent, whole), axis)
    along = [1] * place.ndim
    along[axis] = extent
    return np.where(place == np.arange(extent).reshape(along), values[1], values[0])


def gather_elements(x: Array, indices: Array, *, axis: int = 0) -> Array:
    """x at the index along the axis. On other axes, indices may be shorter than x. onnx's own wraps indices outside."""
    axis %= x.ndim
    extent = x.shape[axis]
    if indices.size and (indices.min() < -extent or indices.max() >= extent):
        raise IndexError(f"indices from {indices.min()} to {indices.max()} on an axis of {extent}")
    part = x[tuple(slice(None if a == axis else n) for a, n in enumerate(indices.shape))]
    return np.take_along_axis(part, np.where(indices < 0, indices + extent, indices), axis)


def max_roi_pool(x: Array, rois: Array, *, pooled_shape: Sequence[int], spatial_scale: float = 1.0) -> Array:
    """The largest element of each bin of each region (batch, x1, y1, x2, y2), whose ends are rounded to pixels."""
    rows, columns = pooled_shape
    result = np.zeros((len(rois), x.shape[1], rows, columns), x.dtype)
    for n, roi in enumerate(rois):
        batch = int(roi[0])
        left, top, right, bottom = (int(np.floor(v * np.float32(spatial_scale) + np.float32(0.5))) for v in roi[1:])
        for r, (y0, y1) in enumerate(_bins(top, bottom, rows, x.shape[2])):
            for c, (x0, x1) in enumerate(_bins(left, right, columns, x.shape[3])):
                if y0 < y1 and x0 < x1:
                    result[n, :, r, c] = x[batch, :, y0:y1, x0:x1].max(axis=(1, 2))
    return result


def _bins(first: int, last: int, count: int, extent: int) -> list[tuple[int, int]]:
    """The region first..last, one pixel at least, in `count` parts; each is widened to whole pixels inside x."""
    size = np.float32(max(last - first + 1, 1)) / np.float32(count)
    ends = [(int(np.floor(n * size)), int(np.ceil((n + 1) * size))) for n in range(count)]
    return [(min(max(a + first, 0), extent), min(max(b + first, 0), extent)) for a, b in ends]
