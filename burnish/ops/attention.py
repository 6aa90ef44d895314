"""Attention over heads: ONNX's own operator, in the forms that the attention template supports, and one of codes."""

from __future__ import annotations

import math
from dataclasses import replace

from burnish.dtypes import DType
from burnish.ops.agreement import agree_all, agree_at
from burnish.ops.language.definition import Attention, AttentionCodes, NodeView
from burnish.ops.registry import Misfit, Undefined, operator

OF_CODES, DOMAIN = "AttentionOfCodes", "ai.burnish"


@operator("Attention")
def attention(node: NodeView) -> Attention:
    """4-D queries, keys and values, without a key-value cache. ONNX aligns a causal mask at the first query."""
    q, k, v, mask = node.tensor(0), node.tensor(1), node.tensor(2), node.optional(3)
    agree_at(q, 0, k, 0)
    if k.rank != v.rank or q.rank != k.rank:
        raise Misfit(f"queries, keys and values of ranks {q.rank}, {k.rank} and {v.rank}")
    for axis in range(k.rank - 1):
        agree_at(k, axis, v, axis)
    if q.rank == 4:
        agree_at(q, 1, k, 1, "multiple")
        agree_at(q, 3, k, 3)
    if q.rank != 4:
        raise Undefined(f"Attention of rank {q.rank}")
    if any(map(node.optional, (4, 5, 6))) or sum(map(bool, node.output_names)) > 1:
        raise Undefined("Attention with a key-value cache, or with its scores as an output")
    if any(node.attr(side, -1) >= 0 for side in ("left_window_size", "right_window_size")):
        raise Undefined("Attention in a sliding window")
    causal, softcap = bool(node.attr("is_causal", 0)), float(node.attr("softcap", 0.0))
    if causal and q.shape[2] != k.shape[2]:
        raise Undefined("causal Attention over keys of another length")
    if softcap and (causal or mask is not None):
        raise Undefined("Attention with a softcap and a mask")
    if mask is not None and mask.dtype.is_integer:
        raise Undefined("Attention with a mask of integers")
    if mask is not None and mask.shape[-1] != k.shape[2]:
        raise Undefined("Attention with a mask shorter than its keys")
    head_size = q.shape[3]
    if not isinstance(head_size, int) or not all(isinstance(t.shape[3], int) for t in (k, v)):
        raise Undefined("Attention with a symbolic head size")
    if head_size != k.shape[3]:
        raise Misfit("queries and keys differ in size")
    if mask is not None:
        agree_all(mask.shape, (*q.shape[:3], k.shape[2]), "mask and scores", "stretch")
    scale = node.attr("scale", 1 / math.sqrt(head_size))
    return Attention(q, k, v, mask, (*q.shape[:3], v.shape[3]), q.dtype, float(scale), causal, softcap)


@operator(OF_CODES, DOMAIN)
def attention_of_codes(node: NodeView) -> Attention:
    """Of float8 codes; passes/quantised/attention_to_codes.py writes it. Its attributes are `AttentionCodes`."""
    dtype, out = DType.from_onnx(node.attr("to", 1)), float(node.attr("out_scale", 0.0))
    scales = float(node.attr("value_scale", 1.0)), float(node.attr("weight_scale", 0.0)), out
    return replace(attention(node), dtype=DType.F8E4M3 if out else dtype, codes=AttentionCodes(*scales, dtype))
