"""Operators that ONNX Runtime's optimiser writes for transformers before quantisation, and their quantised forms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from burnish.importers.microsoft.call import Call, V, expands
from burnish.importers.microsoft.quantised import dequantize


@expands("Gelu")
def gelu(op: Call, x: V) -> V:
    return op.Gelu(x)


@expands("BiasGelu")
def bias_gelu(op: Call, x: V, bias: V) -> V:
    return op.Gelu(op.Add(x, bias))


@expands("FastGelu")
def fast_gelu(op: Call, x: V, bias: V | None) -> V:
    return op.Gelu(x if bias is None else op.Add(x, bias), approximate="tanh")


@expands("QuickGelu", alpha=1.702)
def quick_gelu(op: Call, x: V) -> V:
    """x * sigmoid(alpha * x)"""
    alpha = op.CastLike(op.constant(op.attribute("alpha"), "alpha", np.float32), x)
    return op.Mul(x, op.Sigmoid(op.Mul(x, alpha)))


@expands("FusedMatMul", alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0)
def fused_matmul(op: Call, a: V, b: V) -> V:
    """alpha * a b; the last two axes are exchanged first if the attributes ask for it."""
    if op.attribute("transBatchA") or op.attribute("transBatchB"):
        raise op.refuse("its batch axes are moved")
    if op.attribute("transA"):
        a = _last_two_exchanged(op, a)
    if op.attribute("transB"):
        b = _last_two_exchanged(op, b)
    product = op.MatMul(a, b)
    if op.attribute("alpha") == 1:
        return product
    return op.Mul(product, op.CastLike(op.constant(op.attribute("alpha"), "alpha", np.float32), product))


def _last_two_exchanged(op: Call, x: V) -> V:
    rank = op.rank(x)
    return x if rank < 2 else op.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


@expands("SkipLayerNormalization", outputs=4, epsilon=1e-5)
def skip_layer_normalization(op: Call, x: V, skip: V, gamma: V, beta: V | None, bias: V | None) -> Sequence[V | None]:
    total = op.Add(op.Add(x, skip), bias) if bias is not None else op.Add(x, skip)
    y, mean, deviation = op.write(
        "LayerNormalization", [total, gamma, beta], _outputs=3, axis=-1, epsilon=op.attribute("epsilon")
    )
    return y, mean, deviation, total


@expands("SkipSimplifiedLayerNormalization", outputs=4, epsilon=1e-5)
def skip_simplified_layer_normalization(op: Call, x: V, skip: V, gamma: V, bias: V | None) -> Sequence[V | None]:
    total = op.Add(op.Add(x, skip), bias) if bias is not None else op.Add(x, skip)
    return op.RMSNormalization(total, gamma, axis=-1, epsilon=op.attribute("epsilon")), None, None, total


@expands("EmbedLayerNormalization", outputs=3, epsilon=1e-12, mask_index_type=0)
def embed_layer_normalization(
    op: Call,
    ids: V, segments: V | None, words: V, positions: V, kinds: V | None, gamma: V, beta: V, mask: V | None,
    places: V | None,
) -> Sequence[V | None]:  # fmt: skip
    return _embed(op, ids, segments, words, positions, kinds, gamma, beta, mask, places)


def _embed(
    op: Call,
    ids: V, segments: V | None, words: V, positions: V, kinds: V | None, gamma: V, beta: V, mask: V | None,
    places: V | None,
) -> tuple[V, V, V]:  # fmt: skip
    """The normalised sum of the embeddings of a token, its position and its segment; and the length of each row."""
    if places is None:
        length = op.Squeeze(op.Shape(ids, start=1, end=2))
        places = op.Range(op.constant(0, "zero", np.int64), length, op.constant(1, "one", np.int64))
    total = op.Add(op.Gather(words, ids), op.Gather(positions, places))
    if segments is not None and kinds is not None:
        total = op.Add(total, op.Gather(kinds, segments))
    y = op.LayerNormalization(total, gamma, beta, axis=-1, epsilon=op.attribute("epsilon"))
    return y, _row_lengths(op, ids, mask), total


def _row_lengths(op: Call, ids: V, mask: V | None) -> V:
    """The number of mask elements that are not 0; 0 if there is no mask."""
    axes = op.constant([1], "last", np.int64)
    if mask is None:
        return op.ReduceSum(op.Mul(ids, op.constant(0, "none", np.int32)), axes, keepdims=0)
    kept = op.Cast(op.Cast(mask, to=ir.DataType.BOOL.value), to=ir.DataType.INT32.value)
    return op.ReduceSum(kept, axes, keepdims=0)


@expands("QEmbedLayerNormalization", outputs=2, epsilon=1e-12)
def quantised_embed_layer_normalization(
    op: Call,
    ids: V, segments: V | None, words: V, positions: V, kinds: V | None, gamma: V, beta: V, mask: V | None,
    words_scale: V, positions_scale: V, kinds_scale: V | None, gamma_scale: V, beta_scale: V,
    words_zero: V, positions_zero: V, kinds_zero: V | None, gamma_zero: V, beta_zero: V,
) -> Sequence[V | None]:  # fmt: skip
    word = dequantize(op, words, words_scale, words_zero)
    place = dequantize(op, positions, positions_scale, positions_zero)
    kind = None if kinds is None or kinds_scale is None else dequantize(op, kinds, kinds_scale, kinds_zero)
    scale, shift = dequantize(op, gamma, gamma_scale, gamma_zero), dequantize(op, beta, beta_scale, beta_zero)
    y, lengths, _ = _embed(op, ids, segments, word, place, kind, scale, shift, mask, None)
    return y, lengths
