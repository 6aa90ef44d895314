"""Recognise scaled dot-product attention.

    softmax(softcap(scale * q @ k.T) + mask) @ v   ->  Attention(q, k, v, mask)        q, k, v with axes [b, h, s, d]

The scale may stand anywhere; k.T may be any transpose, absorbed into k; repeated key-value heads become grouped-query
attention; masks are added, or select (`where(keep, scores, -inf)`); a constant triangle of zeros becomes is_causal.
A softmax of a fully masked row, NaN in the model, is 0 afterwards; where(isnan(p), 0, p) is fused as well.
Otherwise exact in real arithmetic. Runs after shapes are inferred and Softmax is recognised; before transposes move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.attention_heads import Dims, dims_of, refuse_mask, refuse_shapes, without_repeat
from burnish.passes.forms.attention_scores import VERY_NEGATIVE, Scores, find_scores
from burnish.passes.forms.products import fits_attribute, is_shared, matched
from burnish.passes.rewrite.constants import constant_array, constant_number
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, shared_inner_value


@dataclass(frozen=True)
class Found:
    """The scores, the key and the value without repeated heads, and the order that turns the key into [b, h, s, d]."""

    scores: Scores
    key: ir.Value
    key_order: tuple[int, ...]
    value: ir.Value
    is_causal: bool


class FuseAttention(Rule):
    op_types = ("Softmax",)

    def find(self, node: ir.Node) -> Match | Skip:
        axis = node.attributes.get("axis")
        if axis is not None and axis.as_int() not in (-1, 3):
            return Skip(f"{node.name} is over axis {axis.as_int()}, not the last")
        used = self.weighted_sum(node)
        if isinstance(used, Skip):
            return used
        matmul, after = used
        assert node.inputs[0] is not None
        scores = find_scores(node.inputs[0])
        if isinstance(scores, Skip):
            return scores
        found, repeat_nodes = _heads(scores, matmul)
        refused = _refuse(found, node.inputs[0])
        if refused is not None:
            return refused
        match = matched(matmul, (matmul, *after, node, *scores.nodes, *repeat_nodes), found=found)
        return shared_inner_value(match) or match

    def weighted_sum(self, softmax: ir.Node) -> tuple[ir.Node, tuple[ir.Node, ...]] | Skip:
        """The MatMul of the probabilities with v, and the nodes between the two, users first."""
        return find_weighted_sum(softmax)

    def rewrite(self, op: Builder, match: Match, found: Any) -> ir.Value:
        plan: Found = match.found
        scores = plan.scores
        key = plan.key
        if plan.key_order != (0, 1, 2, 3):
            key = op.Transpose(plan.key, perm=plan.key_order)
            dims = plan.key.shape
            key.shape = ir.Shape([dims[i] for i in plan.key_order]) if dims is not None else None
            key.type = plan.key.type
        return op.Attention(  # type: ignore[no-any-return]
            scores.q,
            key,
            plan.value,
            None if plan.is_causal else write_mask(op, scores),
            scale=scores.scale,
            softcap=scores.softcap or None,
            is_causal=1 if plan.is_causal else None,
        )


def find_weighted_sum(softmax: ir.Node) -> tuple[ir.Node, tuple[ir.Node, ...]] | Skip:
    """The MatMul of the probabilities with v, and the nodes between them that replace NaN by 0, users first."""
    value = softmax.outputs[0]
    between: tuple[ir.Node, ...] = ()
    users = list(value.consumers())
    if {n.op_type for n in users} == {"IsNaN", "Where"} and len(users) == 2 and not value.is_graph_output():
        isnan, where = sorted(users, key=lambda n: n.op_type)
        condition, filled, kept = where.inputs
        if condition is isnan.outputs[0] and kept is value and constant_number(filled) == 0:
            value, between = where.outputs[0], (where, isnan)
            users = list(value.consumers())
    if is_shared(value):
        return Skip(f"the probabilities {value.name} have {len(users)} users or are an output of the graph")
    (matmul,) = users
    if (
        matmul.op_type != "MatMul"
        or matmul.domain
        or matmul.inputs[0] is not value
        or matmul.graph is not softmax.graph
    ):
        return Skip(f"the probabilities {value.name} are used by {matmul.op_type}, not as the left of a MatMul")
    return matmul, between


def _heads(scores: Scores, matmul: ir.Node) -> tuple[Found, tuple[ir.Node, ...]]:
    """Undo repeated heads if k and v repeat them in the same way."""
    value = matmul.inputs[1]
    assert value is not None
    order = scores.key_order if scores.key_order is not None else (0, 1, 3, 2)
    causal = scores.selection is None and len(scores.masks) == 1 and _is_triangle(scores.masks[0])
    base_value, value_count, value_nodes = without_repeat(value)
    base_key, key_count, key_nodes = without_repeat(scores.key)
    if key_count == value_count and key_count > 1 and order[:2] == (0, 1):
        return Found(scores, base_key, order, base_value, causal), (*key_nodes, *value_nodes)
    return Found(scores, scores.key, order, value, causal), ()


def _refuse(found: Found, softmax_input: ir.Value) -> Skip | None:
    key = dims_of(found.key)
    ordered: Dims | None = tuple(key[i] for i in found.key_order) if key is not None and len(key) == 4 else None
    refused = refuse_shapes(found.scores.q, ordered, found.value)
    q = dims_of(found.scores.q)
    if refused is not None or q is None or ordered is None:
        return refused
    if not fits_attribute(found.scores.scale, found.scores.q.dtype):
        return Skip(f"the scale {found.scores.scale} would be rounded to f32, the scores are f64")
    dims = (q[0], q[1], q[2], ordered[2])
    masks = list(found.scores.masks)
    if found.scores.selection is not None:
        masks.append(found.scores.selection.condition)
    if masks and found.scores.softcap:
        return Skip("scores are capped and masked: opset 23 masks before it caps, later ones after")
    for mask in masks:
        refused = refuse_mask(mask, dims)
        if refused is not None:
            return refused
        if mask.dtype not in (found.scores.q.dtype, ir.DataType.BOOL):
            return Skip(f"the mask {mask.name} is {mask.dtype}, the scores {softmax_input.dtype}")
    return None


def _is_triangle(mask: ir.Value) -> bool:
    """Is it a square constant: zeros on and below the diagonal, very negative numbers above it?"""
    shape = mask.shape
    if shape is None or len(shape) < 2 or shape[-1] != shape[-2] or any(d != 1 for d in list(shape)[:-2]):
        return False
    array = constant_array(mask)
    if array is None:
        return False
    square = array.reshape(array.shape[-2:])
    above = np.triu(np.ones(square.shape, bool), 1)
    return bool((square[~above] == 0).all() and (square[above] <= VERY_NEGATIVE).all())


def write_mask(op: Builder, scores: Scores) -> ir.Value | None:
    """All masks as one: the bool condition if nothing else is added and the fill is -inf, otherwise a float."""
    selection, masks = scores.selection, list(scores.masks)
    assert scores.q.dtype is not None
    if selection is not None:
        keeps = (
            _typed(op.Not(selection.condition), selection.condition) if selection.keeps_false else selection.condition
        )
        if selection.fill == float("-inf") and not masks:
            return keeps
        dtype = scores.q.dtype.numpy()
        zero, fill = op.constant(0.0, "kept", dtype), op.constant(selection.fill, "masked", dtype)
        masks.append(_typed(op.Where(keeps, zero, fill), keeps, scores.q.type))
    elif len(masks) == 1:
        return _as_condition(masks[0]) or masks[0]
    total = masks[0] if masks else None
    for mask in masks[1:]:
        total = op.Add(total, mask)
    return total


def _typed(value: ir.Value, like: ir.Value, dtype: ir.TypeProtocol | None = None) -> ir.Value:
    value.shape, value.type = like.shape, dtype or like.type
    return value


def _as_condition(mask: ir.Value) -> ir.Value | None:
    """The bool tensor behind where(keep, 0, -inf)."""
    node = mask.producer()
    if node is None or node.op_type != "Where" or node.inputs[0] is None:
        return None
    zero, fill = (constant_number(v) for v in node.inputs[1:3])
    if zero != 0 or fill != float("-inf") or dims_of(node.inputs[0]) != dims_of(mask):
        return None
    return node.inputs[0]
