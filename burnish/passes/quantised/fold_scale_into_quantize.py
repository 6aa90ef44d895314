"""Requantise by one factor.

    Q(f(f32(sum) * c), s, z)  ->  Q(f'(f32(sum) * (c / s)), 1, z)       f: nothing, Relu or Clip (its bounds over s)

sum: an i32 sum of products, c = sx * sw. This is the arithmetic of QLinearConv: saturate(rint(f32(sum) * f32(c / s))
+ z), where the model as written rounds twice, c * sum and then its quotient. The results differ, by one step, where the
number lies within that rounding of a tie. Runs after the products have integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.canonicalize_clip import clip_bounds
from burnish.passes.forms.linear import op_name
from burnish.passes.forms.products import is_shared, matched
from burnish.passes.quantised.codes import Scheme, read_scheme
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

SUMS = ("ConvInteger", "MatMulInteger")


@dataclass(frozen=True)
class Scaled:
    """f32(sum) * factor: the node that makes it, f32(sum), and the factor."""

    node: ir.Node
    real: ir.Value
    factor: Array


class FoldScaleIntoQuantize(Rule):
    op_types = ("QuantizeLinear",)

    def find(self, node: ir.Node) -> Match | Skip:
        scheme = read_scheme(node, node.outputs[0].dtype)
        if isinstance(scheme, Skip):
            return scheme
        if scheme.axis is not None or scheme.scale == 1 or not scheme.has_positive_scale:
            return Skip(f"the scale of {op_name(node)} is 1, not positive or no single number")
        clips, value = clips_above(node.inputs[0], node)
        scaled = scaled_sum(value, node)
        if isinstance(scaled, Skip):
            return scaled
        return matched(node, (node, *clips, scaled.node), scheme=scheme, clips=clips, scaled=scaled)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        node, scheme, scaled = match.root, match.scheme, match.scaled
        result = scaled.node.outputs[0]
        factor = op.constant(scaled.factor / scheme.scale, f"{scaled.node.name}.factor")
        value = _like(op.Mul(scaled.real, factor, _name=scaled.node.name), result)
        for clip in reversed(match.clips):
            value = _like(_rescaled(op, clip, value, scheme), result)
        one = op.constant(1.0, f"{node.name}.one", np.float32)
        kept = {k: a.value for k, a in node.attributes.items()}
        return op.QuantizeLinear(value, one, *node.inputs[2:], **kept)  # type: ignore[no-any-return]


def clips_above(value: ir.Value | None, user: ir.Node) -> tuple[tuple[ir.Node, ...], ir.Value | None]:
    """Every Relu, or Clip with constant bounds, that makes this value for this user alone; the last one first."""
    clips: list[ir.Node] = []
    while value is not None and not is_shared(value):
        node = value.producer()
        if node is None or node.graph is not user.graph or bounds_of(node) is None:
            break
        clips.append(node)
        value = node.inputs[0]
    return tuple(clips), value


def bounds_of(node: ir.Node) -> tuple[float, float] | None:
    """The interval to which a Relu or a Clip with constant bounds clips."""
    if node.domain or node.op_type not in ("Relu", "Clip"):
        return None
    return (0.0, float("inf")) if node.op_type == "Relu" else clip_bounds(node)


def scaled_sum(value: ir.Value | None, user: ir.Node) -> Scaled | Skip:
    """f32(sum of integer products) * constant, for one user."""
    node = None if value is None else value.producer()
    if value is None or node is None or node.op_type != "Mul" or node.domain or node.graph is not user.graph:
        return Skip(f"what {op_name(user)} reads is no scaled sum of integers")
    if is_shared(value):
        return Skip(f"{value.name} has other users")
    for real, factor in (node.inputs, node.inputs[::-1]):
        array = constant_array(factor)
        if real is not None and array is not None and array.dtype == np.float32 and is_sum(real):
            return Scaled(node, real, array)
    return Skip(f"{value.name} is no scaled sum of integers")


def is_sum(value: ir.Value) -> bool:
    """Is it a sum of integer products (and an i32 bias), as f32?"""
    cast = value.producer()
    whole = cast.inputs[0] if cast is not None and cast.op_type == "Cast" else None
    node = whole.producer() if whole is not None else None
    if node is not None and node.op_type == "Add":
        node = next((p for p in (v.producer() for v in node.inputs if v is not None) if p is not None), None)
    return value.dtype == ir.DataType.FLOAT and node is not None and node.op_type in SUMS


def _rescaled(op: Builder, clip: ir.Node, value: ir.Value, scheme: Scheme) -> ir.Value:
    if clip.op_type == "Relu":
        return op.Relu(value, _name=clip.name)  # type: ignore[no-any-return]
    bounds = [None if b is None else constant_array(b) for b in (*clip.inputs, None)[1:3]]
    own = [None if b is None else op.constant(b / scheme.scale, f"{clip.name}.bound") for b in bounds]
    return op.Clip(value, *own, _name=clip.name)  # type: ignore[no-any-return]


def _like(value: ir.Value, other: ir.Value) -> ir.Value:
    value.shape, value.type = other.shape, other.type
    return value
