"""A constant that is added after views of a product moves before the views, so it joins the product's kernel.

    Transpose(x) + c   ->   Transpose(x + Transpose'(c))          x: Conv, Gemm, MatMul, or a view of one
    Reshape(x) + c     ->   Reshape(x + Reshape'(c))              also for Sub, Mul, Div

Positions are added to patches in this way. Exact. Runs after the patterns. sink_reshapes handles single elements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.cancel_reshapes import RESHAPES
from burnish.passes.cancel_transposes import order_of
from burnish.passes.forms.attention_heads import dims_of
from burnish.passes.forms.linear import LINEAR
from burnish.passes.forms.products import is_shared
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

_VIEWS = ("Transpose", *RESHAPES)
_LARGEST = 1 << 20  # elements of a constant that is repeated


@dataclass(frozen=True)
class Moved:
    """The view, the constant for the view's input, and the number of the root's input that is the view."""

    view: ir.Node
    constant: Array
    side: int


class SinkConstant(Rule):
    op_types = ("Add", "Sub", "Mul", "Div")

    def check(self, match: Match) -> Moved | Skip:
        for side in (0, 1):
            value, array = match.root.inputs[side], constant_array(match.root.inputs[1 - side])
            view = value.producer() if value is not None else None
            if value is None or array is None or view is None or view.op_type not in _VIEWS or view.domain:
                continue
            if array.size == 1 or value.shape is None or array.ndim > len(value.shape):
                return Skip("its constant has one element, or adds axes")
            refused = _refuse(value, view, match.root)
            if refused is not None:
                return refused
            full = array.reshape((1,) * (len(value.shape) - array.ndim) + array.shape)
            moved = _before_transpose(full, view) if view.op_type == "Transpose" else _before_reshape(full, view)
            return Skip(f"{view.name} mixes axes of the constant") if moved is None else Moved(view, moved, side)
        return Skip("it is no view with a constant")

    def rewrite(self, op: Builder, match: Match, found: Moved) -> ir.Value:
        x = found.view.inputs[0]
        constant = op.constant(np.ascontiguousarray(found.constant), f"{match.root.name}.moved")
        result: ir.Value = op.node(match.root.op_type, *((x, constant) if found.side == 0 else (constant, x)))
        assert x is not None
        result.shape, result.type = x.shape, x.type
        attributes = {k: a.value for k, a in found.view.attributes.items()}
        return op.node(found.view.op_type, result, *found.view.inputs[1:], **attributes)  # type: ignore[no-any-return]


def _refuse(value: ir.Value, view: ir.Node, root: ir.Node) -> Skip | None:
    """A Skip unless views without other readers lead to a product."""
    current: ir.Value | None = value
    node: ir.Node | None = view
    while node is not None and current is not None and node.op_type in _VIEWS:
        if is_shared(current) or node.graph is not root.graph:
            return Skip(f"{current.name} has {len(current.uses())} users or is an output of the graph")
        current = node.inputs[0]
        node = current.producer() if current is not None else None
    if node is None or node.op_type not in LINEAR or current is None or is_shared(current) or current.shape is None:
        return Skip(f"{value.name} is no view of a product that only it reads")
    return None


def _before_transpose(array: Array, view: ir.Node) -> Array | None:
    order = order_of(view)
    return None if order is None else array.transpose(np.argsort(order))


def _before_reshape(array: Array, view: ir.Node) -> Array | None:
    """The constant under the shape before a reshape: axes that it varies along split, merge or stay whole."""
    x, y = view.inputs[0], view.outputs[0]
    if x is None or x.shape is None or y.shape is None:
        return None
    before, after = dims_of(x) or (), dims_of(y) or ()
    front = 0
    while front < min(len(before), len(after)) and before[front] == after[front] and before[front] is not None:
        front += 1
    split, merged = (tuple(n for n in dims[front:] if isinstance(n, int)) for dims in (before, after))
    if len(split) != len(before) - front or len(merged) != len(after) - front:
        return None
    if all(n == 1 for n in array.shape[front:]):
        return array.reshape(*array.shape[:front], *(1,) * len(split))
    grown = np.broadcast_to(array, (*array.shape[:front], *merged))
    if grown.size > max(_LARGEST, array.size):
        return None
    return grown.reshape(*grown.shape[:front], *split)
