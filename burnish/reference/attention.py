"""Attention, all of its inputs and outputs. onnx's own class gives capped scores if raw ones are requested."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]
RAW, CAPPED, BIASED = range(3)
PRECISIONS = {1: np.float32, 10: np.float16, 11: np.float64, 16: ml_dtypes.bfloat16}


def attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    past_key: Array | None = None,
    past_value: Array | None = None,
    valid: Array | None = None,
    **attributes: Any,
) -> tuple[Array, Array, Array, Array]:
    """Y, the keys and values (those of the cache come first), and the scores that qk_matmul_output_mode selects.

    A query that may not attend to any key gives zeros.
    """
    heads, kv_heads = attributes.get("q_num_heads"), attributes.get("kv_num_heads")
    is_flat, dtype = q.ndim == 3, q.dtype
    if is_flat:
        q, k, v = (_by_head(t, n) for t, n in ((q, heads), (k, kv_heads), (v, kv_heads)))
    if past_key is not None and past_value is not None:
        k, v = np.concatenate([past_key, k], axis=2), np.concatenate([past_value, v], axis=2)
    wide = np.result_type(dtype, np.float32)
    repeats = q.shape[1] // k.shape[1]
    keys, values = (np.repeat(t.astype(wide), repeats, axis=1) for t in (k, v))
    scale = attributes.get("scale")
    root = np.sqrt(wide.type(1 / np.sqrt(q.shape[-1]) if scale is None else scale))
    raw = (q.astype(wide) * root) @ (keys * root).swapaxes(-1, -2)
    cap = float(attributes.get("softcap") or 0)
    capped = np.tanh(raw / cap) * cap if cap > 0 else raw
    before = past_key.shape[2] if past_key is not None else 0
    scores = capped + _bias(mask, q.shape, keys.shape[2], wide, valid, before, attributes)
    precision = PRECISIONS.get(attributes.get("softmax_precision") or 0, wide)
    weights = _softmax(scores.astype(np.result_type(precision, np.float32))).astype(precision).astype(wide)
    y = weights @ values
    if is_flat:
        y = y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1)
    shown = {RAW: raw, CAPPED: capped, BIASED: scores}.get(int(attributes.get("qk_matmul_output_mode") or 0), weights)
    return y.astype(dtype), k, v, shown.astype(dtype)


def _by_head(x: Array, heads: Any) -> Array:
    return x.reshape(x.shape[0], x.shape[1], int(heads), -1).transpose(0, 2, 1, 3)


def _bias(
    mask: Array | None,
    queries: tuple[int, ...],
    length: int,
    dtype: np.dtype[Any],
    valid: Array | None,
    before: int,
    attributes: dict[str, Any],
) -> Array:
    """The bias of the scores: the mask, and -inf where causality, a window or the cache's length forbids a key."""
    bias = np.zeros((1, 1, queries[2], length), dtype)
    if mask is not None:
        if mask.shape[-1] < length:
            fill = False if mask.dtype == bool else -np.inf
            width = [(0, 0)] * (mask.ndim - 1) + [(0, length - mask.shape[-1])]
            mask = np.pad(mask, width, constant_values=fill)
        bias = bias + (np.where(mask, 0, -np.inf).astype(dtype) if mask.dtype == bool else mask.astype(dtype))
    first = np.reshape(valid - queries[2], (-1, 1, 1, 1)) if valid is not None else np.full((1, 1, 1, 1), before)
    ahead = np.arange(length) - (np.arange(queries[2])[:, None] + first)
    allowed = np.ones(ahead.shape, bool)
    left, right = (attributes.get(f"{side}_window_size") for side in ("left", "right"))
    if attributes.get("is_causal"):
        allowed &= ahead <= 0
    if left is not None and left >= 0:
        allowed &= -ahead <= left
    if right is not None and right >= 0:
        allowed &= ahead <= right
    if valid is not None:
        allowed = allowed & (np.arange(length) < np.reshape(valid, (-1, 1, 1, 1)))
    return np.where(allowed, bias, dtype.type(-np.inf))


def _softmax(scores: Array) -> Array:
    top = np.max(scores, axis=-1, keepdims=True, initial=-np.inf)
    with np.errstate(all="ignore"):
        e = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = e.sum(axis=-1, keepdims=True)
    return np.asarray(e / np.where(total == 0, 1, total))
