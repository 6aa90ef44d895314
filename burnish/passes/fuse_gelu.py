"""Recognise GELU, exact or with tanh, in every order of its factors.

    0.5 * x * (1 + erf(x / sqrt(2)))                               ->  Gelu(x)
    0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))     ->  Gelu(x, approximate="tanh")

The factors 0.5 may be inside the sum, x**3 may be x * x * x, and x may be factored out of the argument of tanh. Exact
in real arithmetic. Runs after canonicalize and common subexpressions (x is one value); before epilogues are formed.
"""

from __future__ import annotations

import itertools
import math

import onnx_ir as ir

from burnish.passes.forms.products import is_close, is_shared, keeps_rank, matched, product_of, sum_of
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, shared_inner_value

CUBE = 0.044715


class FuseGelu(Rule):
    op_types = ("Mul", "Div")

    def find(self, node: ir.Node) -> Match | Skip:
        outer = product_of(node.outputs[0])
        if len(outer.powers) != 2 or any(power != 1 for power in outer.powers.values()):
            return Skip(f"{node.name} is no product of x and a gate")
        reason = Skip(f"no factor of {node.name} is 1 + erf or 1 + tanh of another")
        for x, gate in itertools.permutations(outer.powers):
            inner = _gate_of(gate)
            if inner is None:
                continue
            weight, curve, nodes = inner
            total = outer.scale * weight
            if not is_close(total, 0.5, x.dtype):
                return Skip(f"the factor of {node.name} is {total:g}, not 0.5")
            argument = _argument_of(curve, x)
            if isinstance(argument, Skip):
                reason = argument
                continue
            if not keeps_rank(x, outer, sum_of(gate)):
                return Skip(f"a number beside {x.name} has a higher rank than it")
            match = matched(node, (*outer.nodes, *nodes, curve, *argument), x=x, approximate=_approximate(curve))
            return shared_inner_value(match) or match
        return reason

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return op.Gelu(match.x, approximate=match.approximate)  # type: ignore[no-any-return]


def _approximate(curve: ir.Node) -> str:
    return "tanh" if curve.op_type == "Tanh" else "none"


def _gate_of(gate: ir.Value) -> tuple[float, ir.Node, tuple[ir.Node, ...]] | None:
    """(w, curve, nodes) if the gate is w * (1 + curve), written as a sum w + w * curve."""
    total = sum_of(gate)
    term = total.only()
    if term is None or total.constant == 0:
        return None
    part = product_of(term)
    value = part.only()
    curve = value.producer() if value is not None else None
    if value is None or curve is None or curve.op_type not in ("Erf", "Tanh") or is_shared(value):
        return None
    if not is_close(part.scale, total.constant, gate.dtype):
        return None
    return total.constant, curve, (*total.nodes, *part.nodes)


def _argument_of(curve: ir.Node, x: ir.Value) -> tuple[ir.Node, ...] | Skip:
    """The nodes that compute the curve's argument from x, if it is GELU's."""
    value = curve.inputs[0]
    assert value is not None
    argument = product_of(value)
    if curve.op_type == "Erf":
        if argument.only() is not x:
            return Skip(f"the argument of {curve.name} is no multiple of {x.name}")
        if not is_close(argument.scale, math.sqrt(0.5), x.dtype):
            return Skip(f"the argument of {curve.name} is {argument.scale:g} * {x.name}, not sqrt(1/2)")
        return argument.nodes
    return _tanh_argument(curve, x)


def _tanh_argument(curve: ir.Node, x: ir.Value) -> tuple[ir.Node, ...] | Skip:
    """sqrt(2/pi) * (x + c * x**3), or sqrt(2/pi) * x * (1 + c * x**2)."""
    value = curve.inputs[0]
    assert value is not None
    argument = product_of(value)
    refused = Skip(f"the argument of {curve.name} is not sqrt(2/pi) * (x + {CUBE} * x**3) of {x.name}")
    if not is_close(argument.scale, math.sqrt(2 / math.pi), x.dtype):
        return refused
    factored = argument.powers.get(x) == 1 and len(argument.powers) == 2
    poly = next((v for v in argument.powers if v is not x), None) if factored else argument.only()
    if poly is None:
        return refused
    total = sum_of(poly)
    terms = [product_of(term) for term, sign in total.terms if sign == 1]
    cubic = [t for t in terms if t.only(2.0 if factored else 3.0) is x and is_close(t.scale, CUBE, x.dtype)]
    linear = [t for t in terms if t.only() is x and t.scale == 1 and not t.nodes]
    if len(cubic) != 1 or len(total.terms) != (1 if factored else 2):
        return refused
    if (total.constant != 1) if factored else (total.constant != 0 or len(linear) != 1):
        return refused
    return (*argument.nodes, *total.nodes, *cubic[0].nodes)
