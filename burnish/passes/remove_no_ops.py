"""Remove nodes that return their input unchanged, if types and shapes prove it.

    Identity, Dropout (inference), Cast to the same type, Reshape, Expand, Tile, Slice, Pad, Resize to the same shape,
    Transpose that keeps the order, Concat / Sum / Max of one, x + 0, x - 0, x * 1, x / 1, x ** 1, -(-x), not not x,
    reductions and pooling over nothing, Gather of everything in order

One difference: x + 0 turns a negative zero into a positive one. After removal the negative zero stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import (
    constant_array,
    constant_integers,
    constant_number,
    has_same_shape,
    integer_shape,
)
from burnish.passes.rewrite.rewire import can_be_output
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

EXACT_BITS = {  # how many bits of an integer each type holds exactly
    "FLOAT16": 11, "BFLOAT16": 8, "FLOAT": 24, "DOUBLE": 53,
    "BOOL": 1, "UINT8": 8, "UINT16": 16, "UINT32": 32, "UINT64": 64, "INT8": 7, "INT16": 15, "INT32": 31, "INT64": 63,
}  # fmt: skip


class RemoveNoOp(Rule):
    """Any operator whose form, types and shapes show that output 0 is input 0."""

    op_types = (
        "Identity", "Dropout", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Tile", "Slice", "Pad",
        "Resize", "Transpose", "Concat", "Split", "Sum", "Max", "Min", "Mean", "Add", "Sub", "Mul", "Div", "Pow",
        "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "MaxPool", "AveragePool", "Gather",
        "And", "Or", "Clip",
    )  # fmt: skip

    def check(self, match: Match) -> ir.Value | Skip:
        node = match.root
        kept = node.inputs[0]
        if node.op_type in ("Add", "Mul", "And", "Or") and _is_neutral(node, 0):
            kept = node.inputs[1]
        reason = REASONS[node.op_type](node)
        if reason:
            return Skip(reason)
        if kept is None:
            return Skip("its input is left out")
        if any(o.uses() or o.is_graph_output() for o in node.outputs[1:]):
            return Skip(f"its output {node.outputs[1].name} is used")
        graph = node.graph
        assert graph is not None
        if node.outputs[0].is_graph_output() and not can_be_output(kept, graph) and node.op_type == "Identity":
            return Skip(f"it gives the output {node.outputs[0].name} its name")
        return kept

    def rewrite(self, op: Builder, match: Match, found: ir.Value) -> list[ir.Value]:
        return [found, *match.root.outputs[1:]]


class RemoveInversePair(Rule):
    """-(-x) and not not x."""

    op_types = ("Neg", "Not")
    may_duplicate = True

    def check(self, match: Match) -> ir.Value | Skip:
        value = match.root.inputs[0]
        inner = value.producer() if value is not None else None
        if inner is None or inner.op_type != match.root.op_type or inner.inputs[0] is None:
            return Skip(f"its input is not computed by {match.root.op_type}")
        return inner.inputs[0]

    def rewrite(self, op: Builder, match: Match, found: ir.Value) -> list[ir.Value]:
        return [found]


class RemoveCastPair(Rule):
    """Cast(Cast(x, wide), type of x) -> x, where wide holds every x exactly."""

    op_types = ("Cast",)
    may_duplicate = True

    def check(self, match: Match) -> ir.Value | Skip:
        value = match.root.inputs[0]
        inner = value.producer() if value is not None else None
        if inner is None or inner.op_type != "Cast" or inner.inputs[0] is None:
            return Skip("its input is not computed by Cast")
        x, wide, last = inner.inputs[0], inner.outputs[0].dtype, match.root.outputs[0].dtype
        if x.dtype is None or wide is None or x.dtype != last:
            return Skip("it does not go back to the type it came from")
        if not holds_exactly(wide, x.dtype):
            return Skip(f"{wide.name} does not hold every {x.dtype.name}")
        return x

    def rewrite(self, op: Builder, match: Match, found: ir.Value) -> list[ir.Value]:
        return [found]


def holds_exactly(wide: ir.DataType, narrow: ir.DataType) -> bool:
    """Whether every value of `narrow` survives a cast to `wide` and back."""
    if wide == narrow:
        return True
    if wide.name not in EXACT_BITS or narrow.name not in EXACT_BITS or wide == ir.DataType.BOOL:
        return False
    if narrow.is_floating_point():
        order = ("FLOAT16", "FLOAT", "DOUBLE")
        if narrow == ir.DataType.BFLOAT16:
            return wide.name in ("FLOAT", "DOUBLE")
        return wide.name in order and order.index(wide.name) > order.index(narrow.name)
    signed_in_unsigned = narrow.is_signed() and not wide.is_signed() and not wide.is_floating_point()
    return not signed_in_unsigned and EXACT_BITS[wide.name] >= EXACT_BITS[narrow.name]


def _same_shape(node: ir.Node) -> str:
    if has_same_shape(node.inputs[0], node.outputs[0]):
        return ""
    return f"{node.inputs[0].name if node.inputs[0] else ''} has another shape, or one that is not known"


def _expand(node: ir.Node) -> str:
    """If other sizes decide the target, inference assumes that it fits. Whether it does must be asked in every run."""
    if reason := _same_shape(node):
        return reason
    x, target = node.inputs[0], node.inputs[1]
    own = set() if x is None or x.shape is None else {str(d) for d in x.shape}
    return "" if _depends_on_these_only(target, own) else "its target is only known during the run, or of other sizes"


def _depends_on_these_only(value: ir.Value | None, dims: set[str]) -> bool:
    """Is a value computed only from constants, and from shapes of numbers and these dimensions?"""
    waiting, seen = [value], set[ir.Value]()
    while waiting:
        current = waiting.pop()
        if current is None or current in seen or current.const_value is not None:
            continue
        seen.add(current)
        node = current.producer()
        if node is None:
            return False
        if node.op_type not in ("Shape", "Size"):
            waiting += node.inputs
            continue
        shape = None if node.inputs[0] is None else node.inputs[0].shape
        if shape is None or any(not isinstance(d, int) and str(d) not in dims for d in shape):
            return False
    return True


def _cast(node: ir.Node) -> str:
    x, y = node.inputs[0], node.outputs[0]
    return "" if x is not None and x.dtype is not None and x.dtype == y.dtype else "it changes the type"


def _dropout(node: ir.Node) -> str:
    training = node.inputs[2] if len(node.inputs) > 2 else None
    if training is None or constant_number(training) == 0:
        return ""
    return "it may run in training mode"


def _slice(node: ir.Node) -> str:
    steps = node.inputs[4] if len(node.inputs) > 4 else None
    if steps is not None and (constant_integers(steps) is None or any(s != 1 for s in constant_integers(steps) or ())):
        return "its steps are not all 1"
    return _same_shape(node)


def _pad(node: ir.Node) -> str:
    pads = constant_integers(node.inputs[1])
    return "" if pads is not None and not any(pads) else "its pads are not all 0"


def _resize(node: ir.Node) -> str:
    scales = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
    mode = node.attributes.get_string("mode", "nearest")
    corners = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if mode not in ("nearest", "linear") or corners not in ("half_pixel", "asymmetric", "pytorch_half_pixel"):
        return f"mode {mode} with {corners} corners may change values"
    if scales is not None and scales.size and bool((scales != 1).any()):
        return "its scales are not all 1"
    if node.attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch":
        return "it keeps the aspect ratio"
    return _same_shape(node)


def _transpose(node: ir.Node) -> str:
    order = node.attributes.get_ints("perm", ())
    rank = len(order) or (node.inputs[0].shape.rank() if node.inputs[0] and node.inputs[0].shape is not None else 2)
    if order:
        return "" if list(order) == list(range(len(order))) else "it changes the order of axes"
    return "" if rank < 2 else "it reverses the axes"


def _single_input(node: ir.Node) -> str:
    return "" if len(node.inputs) == 1 else f"it has {len(node.inputs)} inputs"


def _split(node: ir.Node) -> str:
    return "" if len(node.outputs) == 1 and not _same_shape(node) else "it has several parts"


def _neutral(node: ir.Node) -> str:
    for index in (0, 1):
        if _is_neutral(node, index):
            kept = node.inputs[1 - index]
            return "" if has_same_shape(kept, node.outputs[0]) else "the neutral constant broadcasts the other operand"
    return "neither operand is the neutral number"


def _is_neutral(node: ir.Node, index: int) -> bool:
    """Is operand `index` 0 in an Add or Sub, or 1 in a Mul, Div or Pow? Only on the right if the order matters."""
    if len(node.inputs) != 2 or (index == 0 and node.op_type not in ("Add", "Mul", "And", "Or")):
        return False
    wanted = {"Add": 0, "Sub": 0, "Or": 0}.get(node.op_type, 1)
    array = constant_array(node.inputs[index])
    return array is not None and array.dtype != object and array.size > 0 and bool(np.all(array == wanted))


def _reduce(node: ir.Node) -> str:
    axes = constant_integers(node.inputs[1]) if len(node.inputs) > 1 else ()
    if node.attributes.get_int("noop_with_empty_axes", 0) and axes == ():
        return ""
    shape = integer_shape(node.inputs[0])
    if not node.attributes.get_int("keepdims", 1) or axes is None or node.inputs[0] is None:
        return "it drops axes"
    known = node.inputs[0].shape
    if known is None or (not axes and shape is None):
        return "its shape is not known"
    if all(known[a] == 1 for a in axes or range(len(known))):
        return ""
    return "the axes it reduces are longer than 1"


def _pool(node: ir.Node) -> str:
    lists = ("kernel_shape", "strides")
    if any(v != 1 for name in lists for v in node.attributes.get_ints(name, ())):
        return "its window or stride is larger than 1"
    return "" if not any(node.attributes.get_ints("pads", ())) else "it pads"


def _gather(node: ir.Node) -> str:
    x, indices = node.inputs[0], constant_integers(node.inputs[1])
    axis = node.attributes.get_int("axis", 0)
    if (
        x is None
        or x.shape is None
        or indices is None
        or node.inputs[1] is None
        or len(node.inputs[1].shape or ()) != 1
    ):
        return "its indices are not a constant list"
    return (
        "" if list(indices) == list(range(len(indices))) and x.shape[axis] == len(indices) else "it selects or reorders"
    )


def _clip(node: ir.Node) -> str:
    bounds = [(v, w) for v, w in zip(node.inputs[1:], (-math.inf, math.inf)) if v is not None]
    return "" if all(constant_number(v) == w for v, w in bounds) else "it has bounds"


def _pass(node: ir.Node) -> str:
    return ""


REASONS: dict[str, Callable[[ir.Node], str]] = {
    "Identity": _pass, "Dropout": _dropout, "Cast": _cast, "Slice": _slice, "Pad": _pad, "Resize": _resize,
    "Transpose": _transpose, "Split": _split, "Gather": _gather, "Clip": _clip, "MaxPool": _pool, "AveragePool": _pool,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Tile"), _same_shape),
    "Expand": _expand,
    **dict.fromkeys(("Concat", "Sum", "Max", "Min", "Mean"), _single_input),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "And", "Or"), _neutral),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"), _reduce),
}  # fmt: skip

RULES = (RemoveNoOp(), RemoveInversePair(), RemoveCastPair())
