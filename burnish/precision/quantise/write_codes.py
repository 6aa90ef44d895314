"""Codes in the graph as the precision asks: written by ranges, and taken away where a rule wants numbers.

    Conv(DQ(Q(x)), DQ(codes of w))   ->   Conv(x, DQ(codes of w))      a model that is quantised already

The weight stays what its codes stand for: what it was before is in no file.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import Array, constant_array
from burnish.precision.precision import Decision, Precision
from burnish.precision.quantise.quantise import quantise


def write_codes(graph: ir.Graph, precision: Precision) -> tuple[Decision, ...]:
    """Rewrite an optimised graph in place. Returns a decision for each product, if there are ranges. E731."""
    take_codes_away(precision.stated_numbers(graph))
    if precision.ranges is None:
        return ()
    kinds = precision.kinds_of_codes(graph)
    return quantise(graph, precision.ranges, precision.kept_from_codes(graph), precision.codes, kinds)


def take_codes_away(nodes: Iterable[ir.Node]) -> None:
    """Let nodes that read DequantizeLinear(QuantizeLinear(x)) read x."""
    for node in nodes:
        if node.op_type == "QuantizeLinear" and not node.domain:
            continue
        for place, value in enumerate(node.inputs):
            if value is not None and (numbers := numbers_behind(value)) is not value:
                node.replace_input_with(place, numbers)


def numbers_behind(value: ir.Value) -> ir.Value:
    """x of DequantizeLinear(QuantizeLinear(x)) of one scale and zero point; any other value is itself."""
    back = value.producer()
    if back is None or (back.op_type, back.domain) != ("DequantizeLinear", "") or back.inputs[0] is None:
        return value
    there = back.inputs[0].producer()
    if there is None or (there.op_type, there.domain) != ("QuantizeLinear", "") or there.inputs[0] is None:
        return value
    return there.inputs[0] if is_one_code(there, back) else value


def is_one_code(there: ir.Node, back: ir.Node) -> bool:
    """Do both mean the same by a code? QLinearAdd, for one, reads codes by the ratio of two scales."""
    for place in (1, 2):
        own, other = (node.inputs[place] if len(node.inputs) > place else None for node in (there, back))
        first, second = (None if v is None else constant_array(v) for v in (own, other))
        if place == 2:  # a zero point that is left out is 0
            first, second = (np.zeros(1) if v is None else a for v, a in zip((own, other), (first, second)))
        if own is not other and (first is None or second is None or not _are_equal(first, second)):
            return False
    return there.attributes.get_int("axis", 1) == back.attributes.get_int("axis", 1) or _is_of_one(back)


def _are_equal(first: Array, second: Array) -> bool:
    """One number for all channels may stand beside a number for each; of other shapes, axes differ."""
    is_alike = first.shape == second.shape or 1 in (first.size, second.size)
    return is_alike and bool(np.all(first.astype(float) == second.astype(float)))


def _is_of_one(back: ir.Node) -> bool:
    scale = back.inputs[1]
    return scale is not None and scale.shape is not None and scale.shape.rank() == 0
