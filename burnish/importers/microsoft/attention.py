"""Attention whose queries, keys and values come from one product, in f32 or with quantised operands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from burnish.importers.microsoft.call import Call, V, expands
from burnish.importers.microsoft.products import scaled_product

MASKED = -10000.0


@expands(
    "Attention", outputs=2, num_heads=int, unidirectional=0, mask_filter_value=MASKED, scale=0.0, do_rotary=0,
    past_present_share_buffer=0, qkv_hidden_sizes=(),
)  # fmt: skip
def attention(
    op: Call,
    x: V, weights: V, bias: V | None, mask: V | None, past: V | None, score_bias: V | None, past_length: V | None,
) -> Sequence[V | None]:  # fmt: skip
    projected = op.MatMul(x, weights)
    projected = projected if bias is None else op.Add(projected, bias)
    return _attend(op, projected, weights, mask, past, score_bias, op.attribute("qkv_hidden_sizes"))


@expands(
    "QAttention", outputs=2, num_heads=int, unidirectional=0, mask_filter_value=MASKED, scale=0.0, do_rotary=0,
    past_present_share_buffer=0,
)  # fmt: skip
def quantised_attention(
    op: Call,
    x: V, weights: V, bias: V, x_scale: V, weight_scale: V, mask: V | None, x_zero: V | None, weight_zero: V | None,
    past: V | None,
) -> Sequence[V | None]:  # fmt: skip
    projected = scaled_product(op, x, weights, op.Mul(x_scale, weight_scale), x_zero, weight_zero, bias)
    return _attend(op, projected, weights, mask, past, None, ())


def _attend(
    op: Call, projected: V, weights: V, mask: V | None, past: V | None, score_bias: V | None, sizes: Sequence[int]
) -> Sequence[V | None]:
    """projected: [batch, queries, three hidden sizes]; weights: the tensor that tells their total size."""
    if op.attribute("do_rotary") or op.attribute("past_present_share_buffer"):
        raise op.refuse("it turns its queries and keys, or shares the buffer of its past")
    width = weights.shape[1] if weights.shape is not None and len(weights.shape) == 2 else None
    heads = op.attribute("num_heads")
    if not isinstance(width, int) or heads < 1:
        raise op.refuse("the size of its weights, or the number of its heads, is not known")
    parts = list(sizes) or [width // 3] * 3
    if sum(parts) != width or any(part % heads for part in parts):
        raise op.refuse(f"{width} columns are not queries, keys and values of {heads} heads")
    split = op.write("Split", [projected, op.constant(parts, "sizes", np.int64)], _outputs=3, axis=2)
    q, k, v = (_by_head(op, each, heads, size // heads) for each, size in zip(split, parts))
    if past is not None:
        k, v = (
            op.Concat(op.Gather(past, op.constant(i, f"part_{i}", np.int64), axis=0), new, axis=2)
            for i, new in enumerate((k, v))
        )
    scale = op.attribute("scale") or None
    bias = _bias(op, q, k, mask, score_bias)
    y = op.Attention(q, k, v, bias, scale=scale)
    joined = op.Transpose(y, perm=[0, 2, 1, 3])
    rows = op.Reshape(joined, op.constant([0, 0, parts[2]], "joined", np.int64))
    first = op.constant([0], "first", np.int64)
    needs_present = len(op.node.outputs) > 1
    present = op.Concat(op.Unsqueeze(k, first), op.Unsqueeze(v, first), axis=0) if needs_present else None
    return rows, present


def _by_head(op: Call, x: V, heads: int, size: int) -> V:
    """[batch, rows, heads * size] to [batch, heads, rows, size]"""
    return op.Transpose(op.Reshape(x, op.constant([0, 0, heads, size], "heads", np.int64)), perm=[0, 2, 1, 3])


def _bias(op: Call, q: V, k: V, mask: V | None, score_bias: V | None) -> V | None:
    """The bias of the scores: about -10000 where a key is masked or comes later, and the model's own bias."""
    found = [score_bias] if score_bias is not None else []
    if mask is not None:
        found.append(_where_kept(op, _kept(op, k, mask), q))
    if op.attribute("unidirectional"):
        keys, queries = _size(op, k), _size(op, q)
        places = _places(op, op.Sub(keys, queries), keys)
        earlier = op.LessOrEqual(_places(op, None, keys), op.Unsqueeze(places, op.constant([1], "column", np.int64)))
        found.append(_where_kept(op, earlier, q))
    if not found:
        return None
    total = found[0]
    for each in found[1:]:
        total = op.Add(total, each)
    return total


def _kept(op: Call, k: V, mask: V) -> V:
    """A raw mask of 0 and 1, [batch, keys] or [batch, queries, keys], or how many keys each row of the batch has."""
    rank = op.rank(mask)
    if rank in (2, 3):
        axes = op.constant([1, 2] if rank == 2 else [1], "heads", np.int64)
        return op.Unsqueeze(op.Cast(mask, to=ir.DataType.BOOL.value), axes)
    batch = k.shape[0] if k.shape is not None else None
    lengths = mask.shape[0] if rank == 1 and mask.shape is not None else None
    if rank != 1 or (isinstance(batch, int) and isinstance(lengths, int) and batch != lengths):
        raise op.refuse(f"its mask {mask.name} is neither raw nor one length for each row of the batch")
    ends = op.Unsqueeze(op.Cast(mask, to=ir.DataType.INT64.value), op.constant([1, 2, 3], "rows", np.int64))
    return op.Less(_places(op, None, _size(op, k)), ends)


def _where_kept(op: Call, kept: V, like: V) -> V:
    none, masked = (op.constant(n, "masked", np.float32) for n in (0, op.attribute("mask_filter_value")))
    return op.Where(kept, op.CastLike(none, like), op.CastLike(masked, like))


def _size(op: Call, x: V) -> V:
    """How many rows [batch, heads, rows, size] has, as a number."""
    return op.Squeeze(op.Shape(x, start=2, end=3), op.constant([0], "only", np.int64))


def _places(op: Call, first: V | None, end: V) -> V:
    return op.Range(op.constant(0, "zero", np.int64) if first is None else first, end, op.constant(1, "one", np.int64))
