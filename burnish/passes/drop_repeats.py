"""Remove repeats of an operand that a pointwise node broadcasts anyway.

    y + Gather(c, Expand(i, s))   ->   y + Gather(c, i)        y has the shape of the result
    y + Gather(c, i)              ->   y + Gather(c, i')       i' is one row of i, where all its rows are alike
    y + c                         ->   y + c'                  likewise

A BERT without token types looks up the same row for every token of every sequence. This pass turns that into a
constant, which joins the next kernel. Exact, to the bit. Runs after the patterns, which need constants of full shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import is_shared
from burnish.passes.rewrite.constants import Array, constant_array, has_same_shape
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Repeat:
    """An operand that repeats itself, and one period of it: a constant, or the index of the gather that computes it."""

    side: int
    once: Array
    gather: ir.Node | None = None


class DropRepeat(Rule):
    op_types = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where")

    def check(self, match: Match) -> Repeat | Skip:
        refused = Skip("none of its operands repeats itself")
        for side, value in enumerate(match.root.inputs):
            others = (v for v in match.root.inputs if v is not value)
            found = None if value is None else _repeat(value, side)
            if isinstance(found, Skip):
                refused = found
            elif found is not None:
                if any(has_same_shape(v, match.root.outputs[0]) for v in others):
                    return found
                refused = Skip(f"no operand but {value.name if value else ''} has the shape of the result")
        return refused

    def rewrite(self, op: Builder, match: Match, found: Repeat) -> ir.Value:
        operands, root = list(match.root.inputs), match.root
        once = op.constant(found.once, f"{root.name}.once")
        if found.gather is not None:
            table, attributes = found.gather.inputs[0], found.gather.attributes
            assert table is not None and table.shape is not None
            once = op.Gather(table, once, **{k: a.value for k, a in attributes.items()})
            axis = attributes.get_int("axis", 0) % len(table.shape)
            once.shape = ir.Shape([*table.shape[:axis], *found.once.shape, *table.shape[axis + 1 :]])
            once.type = table.type
        operands[found.side] = once
        result: ir.Value = op.node(root.op_type, *operands)
        return result


def _repeat(value: ir.Value, side: int) -> Repeat | Skip | None:
    """None if the operand is neither a constant nor a gather at constant places, or does not repeat itself."""
    array = constant_array(value)
    if array is not None:
        once = _one_turn(array)
        return None if once is None else Repeat(side, once)
    gather = value.producer()
    if gather is None or gather.op_type != "Gather" or gather.domain or gather.inputs[0] is None:
        return None
    once = _repeated_index(gather)
    if once is None:
        return None
    if is_shared(value):
        return Skip(f"{value.name} has {len(value.uses())} users or is an output of the graph")
    return Repeat(side, once, gather)


def _repeated_index(gather: ir.Node) -> Array | None:
    """The index of a gather without its repeats. It keeps its rank, as its axes are between those of the table."""
    table, index = gather.inputs
    assert table is not None and index is not None
    array = constant_array(index)
    if array is not None:
        return None if table.shape is None else _one_turn(array)
    expand = index.producer()
    array = constant_array(expand.inputs[0]) if expand is not None and expand.op_type == "Expand" else None
    if array is None or index.shape is None or table.shape is None:
        return None
    return array.reshape((1,) * (len(index.shape) - array.ndim) + array.shape)


def _one_turn(array: Array) -> Array | None:
    """The array with its first axes cut to 1 where all rows are equal, bit for bit. None if no axis can be cut."""
    once = array
    for axis in range(array.ndim - 1):
        if once.shape[axis] <= 1 or once.dtype == object or not once.size:
            continue
        rows = np.ascontiguousarray(once).reshape(once.shape[axis], -1).view(np.uint8)
        if not (np.array_equal(rows[0], rows[1]) and bool((rows == rows[0]).all())):
            break
        once = once[(slice(None),) * axis + (slice(0, 1),)]
    return None if once is array else once
