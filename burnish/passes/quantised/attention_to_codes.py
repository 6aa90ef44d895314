"""Attention of float8 codes instead of the numbers that they stand for, where tensor cores multiply float8.

    Attention(DQ(q, sq), DQ(k, sk), DQ(v, sv), mask)                 ->  AttentionOfCodes(q, k, v, mask)
    MatMul(DQ(Q(softmax(c * DQ(q) @ DQ(k).T + mask), sp)), DQ(v))    ->  AttentionOfCodes(q, k, v, mask), sp in it
    Q(AttentionOfCodes(...), so)                                     ->  AttentionOfCodes(...), so in it

q, k, v: float8 (e4m3) with one scale each. The products are exact, their sums are f32. The softmax is rounded to codes
only where the model does that, of the same numbers: of the whole row's softmax, not of a part of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.ops.attention import DOMAIN, OF_CODES
from burnish.passes.forms.attention_heads import LARGEST_HEAD, dims_of, without_repeat
from burnish.passes.forms.products import is_shared, matched
from burnish.passes.fuse_attention import Found, FuseAttention, find_weighted_sum, write_mask
from burnish.passes.quantised.product_to_float8 import FLOAT8, read_float8
from burnish.passes.rewrite.constants import constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

VIEWS = ("Expand", "Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
KNOWN = {"scale", "softcap", "is_causal", "qk_matmul_output_mode", "softmax_precision"}


@dataclass(frozen=True)
class Operand:
    """codes: of float8; views: what moves their numbers before the attention reads them, the first one first."""

    codes: ir.Value
    scale: float
    views: tuple[ir.Node, ...]


@dataclass(frozen=True)
class Plan:
    """attributes: of the new node, without what the operands' scales give."""

    operands: tuple[Operand, Operand, Operand]
    attributes: dict[str, Any]
    key_order: tuple[int, ...] = (0, 1, 2, 3)


class AttentionToCodes(Rule):
    """An attention that is one node already; its softmax is not rounded."""

    op_types = ("Attention",)

    def find(self, node: ir.Node) -> Match | Skip:
        plan = _read(node)
        return plan if isinstance(plan, Skip) else matched(node, (node,), plan=plan)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        mask = match.root.inputs[3] if len(match.root.inputs) > 3 else None
        return _write(op, match.plan, mask)


class SoftmaxToCodes(FuseAttention):
    """An attention whose softmax is rounded to codes."""

    def weighted_sum(self, softmax: ir.Node) -> tuple[ir.Node, tuple[ir.Node, ...]] | Skip:
        quantise = _only_user(softmax.outputs[0], "QuantizeLinear")
        if isinstance(quantise, Skip):
            return quantise
        read = _only_user(quantise.outputs[0], "DequantizeLinear")
        if isinstance(read, Skip):
            return read
        found = find_weighted_sum(read)
        return found if isinstance(found, Skip) else (found[0], (*found[1], read, quantise))

    def find(self, node: ir.Node) -> Match | Skip:
        match = super().find(node)
        if isinstance(match, Skip):
            return match
        found: Found = match.found
        weights = _weights(match)
        if isinstance(weights, Skip):
            return weights
        given = {"scale": found.scores.scale, "softcap": found.scores.softcap, "is_causal": int(found.is_causal)}
        operands = _operands((found.scores.q, found.key, found.value))
        if isinstance(operands, Skip):
            return operands
        match.names["plan"] = Plan(operands, given | {"weight_scale": weights}, found.key_order)
        return match

    def rewrite(self, op: Builder, match: Match, found: Any) -> ir.Value:
        attention: Found = match.found
        return _write(op, match.plan, None if attention.is_causal else write_mask(op, attention.scores))


class AttentionIntoCodes(Rule):
    """The result of an attention of codes becomes codes in its kernel."""

    op_types = ("QuantizeLinear",)

    def find(self, node: ir.Node) -> Match | Skip:
        value = node.inputs[0]
        before = value.producer() if value is not None else None
        if value is None or before is None or (before.op_type, before.domain) != (OF_CODES, DOMAIN):
            return Skip("its input is no attention of codes")
        if is_shared(value) or before.attributes.get_float("out_scale", 0.0) > 0:
            return Skip(f"{value.name} has other users, or is codes already")
        scale = float8_scale(node)
        return scale if isinstance(scale, Skip) else matched(node, (node, before), before=before, scale=scale)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        kept = {k: a.value for k, a in match.before.attributes.items()} | {"out_scale": match.scale}
        return op.node(OF_CODES, *match.before.inputs, _domain=DOMAIN, _name=match.before.name, **kept)  # type: ignore[no-any-return]


def float8_scale(node: ir.Node) -> float | Skip:
    """The one scale by which a QuantizeLinear makes float8 that saturates; it is positive and finite."""
    scale, zero = constant_array(node.inputs[1]), (constant_array(v) for v in node.inputs[2:3])
    if node.outputs[0].dtype != FLOAT8 or node.attributes.get_int("saturate", 1) != 1:
        return Skip(f"{node.name} makes no float8 that saturates")
    if scale is None or scale.dtype != np.float32 or scale.size != 1 or not 0 < float(scale.reshape(())) < math.inf:
        return Skip(f"the scale of {node.name} is not one known positive number")
    if any(z is None or z.astype(np.float32).any() for z in zero):
        return Skip(f"{node.name} has a zero point")
    return float(scale.reshape(()))


def _only_user(value: ir.Value, op_type: str) -> ir.Node | Skip:
    users = list(value.consumers())
    if is_shared(value) or users[0].op_type != op_type or users[0].domain:
        return Skip(f"{value.name} is not read by one {op_type} alone")
    return users[0]


def _weights(match: Match) -> float | Skip:
    """The scale of the softmax's codes."""
    (quantise,) = (n for n in match.nodes if n.op_type == "QuantizeLinear")
    (read,) = quantise.outputs[0].consumers()
    scale, codes = float8_scale(quantise), read_float8(read.outputs[0])
    if isinstance(scale, Skip):
        return scale
    if isinstance(codes, Skip):
        return codes
    is_same = codes.axis is None and float(codes.scale) == scale
    return scale if is_same else Skip(f"{read.name} has another scale than {quantise.name}")


def _read(node: ir.Node) -> Plan | Skip:
    """An Attention as a plan."""
    given = {name: a.value for name, a in node.attributes.items()}
    if node.domain or not set(given) <= KNOWN or any(v is not None for v in node.inputs[4:]):
        return Skip("it has a key-value cache, or attributes that an attention of codes does not have")
    if any(v.uses() or v.is_graph_output() for v in node.outputs[1:]):
        return Skip("its scores are read")
    shapes = [None if v is None else dims_of(v) for v in node.inputs[:3]]
    heads = [0 if s is None or len(s) != 4 else s[3] for s in shapes]
    if not all(isinstance(n, int) and 0 < n <= LARGEST_HEAD for n in heads):
        return Skip(f"its heads are no known sizes up to {LARGEST_HEAD}, of rank 4")
    is_causal, softcap = bool(given.get("is_causal", 0)), float(given.get("softcap", 0.0))
    mask = node.inputs[3] if len(node.inputs) > 3 else None
    if softcap and (is_causal or mask is not None):
        return Skip("scores are capped and masked")
    if is_causal and shapes[0][2] != shapes[1][2]:  # type: ignore[index]
        return Skip("it is causal over keys of another length")
    operands = _operands(node.inputs[:3])
    if isinstance(operands, Skip):
        return operands
    scale = float(given.get("scale", 1 / math.sqrt(heads[0])))  # type: ignore[arg-type]
    return Plan(operands, {"scale": scale, "softcap": softcap, "is_causal": int(is_causal)})


def _operands(values: Sequence[ir.Value | None]) -> tuple[Operand, Operand, Operand] | Skip:
    found = [_operand(v) for v in values]
    skip = next((f for f in found if isinstance(f, Skip)), None)
    q, k, v = found
    return skip or (q, k, v)  # type: ignore[return-value]


def _operand(value: ir.Value | None) -> Operand | Skip:
    """Read an input of an attention as views of dequantised float8."""
    views: list[ir.Node] = []
    while value is not None and (node := value.producer()) is not None and node.op_type in VIEWS and not node.domain:
        views.append(node)
        value = node.inputs[0]
    codes = read_float8(value)
    if isinstance(codes, Skip):
        return codes
    if codes.axis is not None or not 0 < float(codes.scale) < math.inf:
        return Skip(f"the scale of {codes.codes.name} is not one positive number")
    if any(n.outputs[0].shape is None for n in views):
        return Skip("the shapes of what moves its codes are not known")
    return Operand(codes.codes, float(codes.scale), tuple(reversed(views)))


def _write(op: Builder, plan: Plan, mask: ir.Value | None) -> ir.Value:
    q, k, v = (_moved(op, each) for each in plan.operands)
    if plan.key_order != (0, 1, 2, 3):
        dims, k = k.shape, op.Transpose(k, perm=plan.key_order)
        assert dims is not None
        k.shape, k.type = ir.Shape([dims[i] for i in plan.key_order]), ir.TensorType(FLOAT8)
    (base_k, many_k, _), (base_v, many_v, _) = without_repeat(k), without_repeat(v)
    if many_k == many_v:
        k, v = base_k, base_v
    of_q, of_k, of_v = (each.scale for each in plan.operands)
    known = {name: value for name, value in plan.attributes.items() if name != "scale" and value}
    scale = plan.attributes["scale"] * of_q * of_k
    inputs = (q, k, v) if mask is None else (q, k, v, mask)
    return op.node(OF_CODES, *inputs, _domain=DOMAIN, scale=scale, value_scale=of_v, **known)  # type: ignore[no-any-return]


def _moved(op: Builder, operand: Operand) -> ir.Value:
    """The codes, moved as their numbers were."""
    value = operand.codes
    for view in operand.views:
        kept = {k: a.value for k, a in view.attributes.items()}
        value = op.node(view.op_type, value, *view.inputs[1:], **kept)
        value.shape, value.type = view.outputs[0].shape, ir.TensorType(FLOAT8)
    return value
