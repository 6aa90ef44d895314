"""Put the scales and shifts after a sum of integer products together, as BatchNormalization leaves them.

    (f32(sum) * a + t) * b + u  ->  f32(sum) * (a * b) + (t * b + u)

a, b, t, u: constants that vary along the channels at most. Arithmetic in f64, one rounding per channel. Runs after the
products have integers, before the scale goes into QuantizeLinear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import is_shared, matched
from burnish.passes.quantised.fold_scale_into_quantize import is_sum
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Affine:
    """f32(sum) * scale + shift, in f64; `nodes` with the last one first."""

    real: ir.Value
    scale: Array
    shift: Array | None
    nodes: tuple[ir.Node, ...]


class MergeScales(Rule):
    op_types = ("Add", "Mul")

    def find(self, node: ir.Node) -> Match | Skip:
        found = _affine_of(node.outputs[0], node, is_root=True)
        if isinstance(found, Skip):
            return found
        if len(found.nodes) < (3 if found.shift is not None else 2):
            return Skip("it is one scale and at most one shift already")
        return matched(node, found.nodes, affine=found)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        affine, name = match.affine, match.root.name
        result = op.Mul(affine.real, op.constant(affine.scale.astype(np.float32), f"{name}.scale"))
        if affine.shift is None:
            return result  # type: ignore[no-any-return]
        result.shape, result.type = match.root.outputs[0].shape, match.root.outputs[0].type
        return op.Add(result, op.constant(affine.shift.astype(np.float32), f"{name}.shift"))  # type: ignore[no-any-return]


def _affine_of(value: ir.Value, user: ir.Node, is_root: bool = False) -> Affine | Skip:
    """The sum behind a value, through Mul and Add of constants that only this user reads."""
    if is_sum(value):
        return Affine(value, np.ones(()), None, ())
    node = value.producer()
    if node is None or node.op_type not in ("Add", "Mul") or node.domain or node.graph is not user.graph:
        return Skip("it scales or shifts no sum of integer products")
    if is_shared(value) and not is_root:
        return Skip(f"{value.name} has other users")
    for inner, constant in (node.inputs, node.inputs[::-1]):
        array = constant_array(constant)
        if inner is None or array is None or array.dtype != np.float32:
            continue
        before = _affine_of(inner, user)
        if isinstance(before, Skip):
            return before
        return _then(before, node, array.astype(np.float64))
    return Skip("it scales or shifts by no constant")


def _then(before: Affine, node: ir.Node, array: Array) -> Affine | Skip:
    parts = [before.scale, array] if before.shift is None else [before.scale, before.shift, array]
    if np.broadcast(*parts).size > max(p.size for p in parts):
        return Skip("its constants vary along different axes")
    if node.op_type == "Mul":
        shift = None if before.shift is None else before.shift * array
        return Affine(before.real, before.scale * array, shift, (node, *before.nodes))
    shift = array if before.shift is None else before.shift + array
    return Affine(before.real, before.scale, shift, (node, *before.nodes))
