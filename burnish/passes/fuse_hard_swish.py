"""Recognise the piecewise linear gates of mobile networks.

    clip(s * x + b, 0, m) / m    ->  HardSigmoid(x, alpha = s / m, beta = b / m)
    x * HardSigmoid(x, 1/6, 1/2) ->  HardSwish(x)

Exact in real arithmetic; one rounding in alpha and beta. Runs after canonicalize_clip (a clip is one Clip).
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.canonicalize_clip import clip_bounds
from burnish.passes.forms.products import (
    FLOATS,
    Product,
    fits_attribute,
    is_close,
    is_shared,
    keeps_rank,
    matched,
    product_of,
    sum_of,
)
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, shared_inner_value


@dataclass(frozen=True)
class Gate:
    """HardSigmoid(x, alpha, beta) and the nodes that compute it, the last one first."""

    x: ir.Value
    alpha: float
    beta: float
    nodes: tuple[ir.Node, ...]


class FuseHardSigmoid(Rule):
    op_types = ("Mul", "Div", "Clip")

    def find(self, node: ir.Node) -> Match | Skip:
        outer = product_of(node.outputs[0])
        clipped = outer.only()
        clip = clipped.producer() if clipped is not None else None
        if clipped is None or clip is None or clip.op_type != "Clip":
            return Skip(f"{node.name} is no multiple of a Clip")
        if clip is not node and is_shared(clipped):
            return Skip(f"Clip result {clipped.name} has other users")
        gate = _gate_of(clip, outer)
        if isinstance(gate, Skip):
            return gate
        match = matched(node, (*outer.nodes, *gate.nodes), gate=gate)
        return shared_inner_value(match) or match

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        gate = match.gate
        return op.HardSigmoid(gate.x, alpha=gate.alpha, beta=gate.beta)  # type: ignore[no-any-return]


class FuseHardSwish(Rule):
    op_types = ("Mul", "Div")

    def find(self, node: ir.Node) -> Match | Skip:
        outer = product_of(node.outputs[0])
        if len(outer.powers) != 2 or any(power != 1 for power in outer.powers.values()):
            return Skip(f"{node.name} is no product of x and a gate")
        values = list(outer.powers)
        for x, value in (values, values[::-1]):
            gate = _any_gate_of(value, outer)
            if gate is None or gate.x is not x:
                continue
            if not is_close(gate.alpha, 1 / 6, x.dtype) or not is_close(gate.beta, 0.5, x.dtype):
                return Skip(f"the gate of {node.name} is HardSigmoid({gate.alpha:g}, {gate.beta:g}), not (1/6, 1/2)")
            if is_shared(value) or not keeps_rank(x, outer):
                return Skip(f"the gate {value.name} has other users or a number beside it a higher rank")
            match = matched(node, (*outer.nodes, *gate.nodes), x=x)
            return shared_inner_value(match) or match
        return Skip(f"no factor of {node.name} is a HardSigmoid of the other")

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return op.HardSwish(match.x)  # type: ignore[no-any-return]


def _any_gate_of(value: ir.Value, outer: Product) -> Gate | None:
    node = value.producer()
    if node is None or node.domain:
        return None
    if node.op_type == "HardSigmoid" and outer.scale == 1 and node.inputs[0] is not None:
        alpha, beta = node.attributes.get("alpha"), node.attributes.get("beta")
        return Gate(node.inputs[0], alpha.as_float() if alpha else 0.2, beta.as_float() if beta else 0.5, (node,))
    gate = _gate_of(node, outer) if node.op_type == "Clip" else None
    return gate if isinstance(gate, Gate) else None


def _gate_of(clip: ir.Node, outer: Product) -> Gate | Skip:
    """Read outer.scale * Clip(...) as a HardSigmoid."""
    bounds, value = clip_bounds(clip), clip.inputs[0]
    assert value is not None
    if value.dtype not in FLOATS:
        return Skip(f"{clip.name} is not on floats")
    if bounds is None or bounds[0] != 0 or not 0 < bounds[1] < float("inf"):
        return Skip(f"{clip.name} does not clip to 0 and a known upper bound")
    if not is_close(outer.scale * bounds[1], 1.0, value.dtype):
        return Skip(f"{clip.name} reaches {outer.scale * bounds[1]:g}, not 1")
    total = sum_of(value)
    term = total.only()
    part = product_of(term) if term is not None else None
    x = part.only() if part is not None else None
    if part is None or x is None:
        return Skip(f"{clip.name} does not clip s * x + b")
    if total.constant == 0:
        return Skip(f"{clip.name} clips {x.name} without an offset")
    if not keeps_rank(x, total, part, outer):
        return Skip(f"a number beside {x.name} has a higher rank than it")
    alpha, beta = outer.scale * part.scale, outer.scale * total.constant
    if not (fits_attribute(alpha, x.dtype) and fits_attribute(beta, x.dtype)):
        return Skip(f"{alpha} or {beta} would be rounded to f32 beside {x.name}, which is f64")
    return Gate(x, alpha, beta, (clip, *total.nodes, *part.nodes))
