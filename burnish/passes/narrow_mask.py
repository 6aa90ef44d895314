"""A mask that is the same for every query is stored only once.

    Attention(q, k, v, f(a[b,1,1,t], c[1,1,s,1]))   ->   Attention(q, k, v, f(a, c[:,:,:1]))      c is constant along s

f is pointwise. Its nodes are repeated on the narrow operands, and equal ones of all layers merge later. A condition
that is always true (a constant, or Range from 0 >= 0) is dropped. Exact. Runs after attention is recognised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.ops.attention import DOMAIN, OF_CODES
from burnish.passes.rewrite.constants import Array, constant_array, constant_number
from burnish.passes.rewrite.pattern import PatternBuilder
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

_POINTWISE = frozenset({
    "And", "Or", "Xor", "Not", "Where", "Cast", "Add", "Sub", "Mul", "Max", "Min", "Equal", "Greater", "GreaterOrEqual",
    "Less", "LessOrEqual",
})  # fmt: skip
_MOST_NODES = 12


@dataclass(frozen=True)
class Narrow:
    """The value of one query: the value unchanged, a constant, or a node on narrow operands."""

    value: ir.Value
    constant: Array | None = None
    operands: tuple[Narrow, ...] = ()


class NarrowMask(Rule):
    op_types = ("Attention",)

    def check(self, match: Match) -> Narrow | Skip:
        mask = match.root.inputs[3] if len(match.root.inputs) > 3 else None
        if mask is None or mask.shape is None or len(mask.shape) < 2:
            return Skip("it has no mask of known rank")
        if mask.shape[-2] == 1:
            return Skip(f"the mask {mask.name} is one row already")
        found = _narrow(mask, [_MOST_NODES])
        if isinstance(found, str):
            return Skip(f"the mask {mask.name} differs between queries: {found}")
        if len(found.value.shape or ()) < 2:
            return Skip(f"what is left of the mask {mask.name} has no axis of queries")
        return found

    def rewrite(self, op: Builder, match: Match, found: Narrow) -> ir.Value:
        inputs = list(match.root.inputs)
        inputs[3] = _write(op, found)
        attributes = {k: a.value for k, a in match.root.attributes.items()}
        return op.node(match.root.op_type, *inputs, _domain=match.root.domain, **attributes)  # type: ignore[no-any-return]


class NarrowMaskOfCodes(NarrowMask):
    """Of an attention of float8 codes."""

    def pattern(self, op: PatternBuilder) -> Any:
        return op.one_of((OF_CODES,), _domain=DOMAIN, _more_inputs=True)


def _narrow(value: ir.Value, left: list[int]) -> Narrow | str:
    """The value of one query, or the name of a value that differs. `left`: how many nodes may still be visited."""
    if value.shape is None:
        return f"{value.name} has no known rank"
    if len(value.shape) < 2 or value.shape[-2] == 1:
        return Narrow(value)
    array = constant_array(value)
    if array is not None:
        first = array[..., :1, :]
        return Narrow(value, first) if bool((array == first).all()) else str(value.name)
    node = value.producer()
    left[0] -= 1
    if node is None or node.domain or node.op_type not in _POINTWISE or left[0] < 0:
        return str(value.name)
    inputs = [i for i in node.inputs if i is not None]
    if node.op_type == "And":
        inputs = [i for i in inputs if not _is_true(i)] or inputs[:1]
    found: list[Narrow] = []
    for each in inputs:
        narrow = _narrow(each, left)
        if isinstance(narrow, str):
            return narrow
        found.append(narrow)
    return found[0] if node.op_type == "And" and len(found) == 1 else Narrow(value, None, tuple(found))


def _is_true(value: ir.Value) -> bool:
    """Is every element true? It is a constant, or it is Range(0, n) >= 0."""
    array = constant_array(value)
    if array is not None:
        return array.dtype == np.bool_ and bool(array.all())
    node = value.producer()
    if node is None or node.domain or node.op_type != "GreaterOrEqual":
        return False
    bound, counted = constant_number(node.inputs[1]), node.inputs[0]
    source = counted.producer() if counted is not None else None
    while source is not None and source.op_type in ("Reshape", "Unsqueeze") and source.inputs[0] is not None:
        source = source.inputs[0].producer()
    if source is None or source.op_type != "Range" or source.domain or bound is None:
        return False
    start, step = constant_number(source.inputs[0]), constant_number(source.inputs[2])
    return start is not None and step is not None and start >= bound and step > 0


def _write(op: Builder, narrow: Narrow) -> ir.Value:
    """Write the nodes that compute the narrow value."""
    if narrow.constant is not None:
        return op.constant(narrow.constant, f"{narrow.value.name}.row")
    if not narrow.operands:
        return narrow.value
    node = narrow.value.producer()
    assert node is not None and narrow.value.shape is not None
    attributes = {k: a.value for k, a in node.attributes.items()}
    result: ir.Value = op.node(node.op_type, *(_write(op, o) for o in narrow.operands), **attributes)
    dims = list(narrow.value.shape)
    dims[-2] = 1
    result.shape, result.type = ir.Shape(dims), narrow.value.type
    return result
