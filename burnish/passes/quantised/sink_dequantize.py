"""Move DequantizeLinear behind what moves, picks or compares elements, so that codes flow.

    Transpose(DQ(x))      ->  DQ(Transpose(x))      also Reshape, Slice, Gather, Split, Expand, Tile, Resize nearest ...
    MaxPool(DQ(x))        ->  DQ(MaxPool(x))        scale > 0
    Pad(DQ(x), c)         ->  DQ(Pad(x, c'))        a code stands for c, as the zero point does for 0
    Concat(DQ(x), DQ(y))  ->  DQ(Concat(x, y))      equal parameters

Exact. A scale for each place on an axis moves only with what keeps that axis whole. Other readers of DQ keep it.
Weights move too: a transposed weight stays quantised, and an embedding is gathered as codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.cancel_transposes import order_of
from burnish.passes.forms.linear import op_name
from burnish.passes.forms.products import matched
from burnish.passes.quantised.codes import EIGHT_BITS, Codes, read_codes
from burnish.passes.quantised.drop_requantisation import NARROW, code_of
from burnish.passes.rewrite.constants import constant_number
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

VIEWS = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
PICKS = ("DepthToSpace", "Expand", "Gather", "GatherElements", "GatherND", "Slice", "SpaceToDepth", "Split", "Tile")
MOVES = (*VIEWS, *PICKS, "MaxPool", "Pad", "Resize", "Transpose")


@dataclass(frozen=True)
class Sunk:
    """The codes that the node reads instead; axis: the axis of the scales in the result."""

    codes: Codes
    axis: int | None


class SinkDequantize(Rule):
    """Through a node of one data input."""

    op_types = MOVES

    def find(self, node: ir.Node) -> Match | Skip:
        codes = read_codes(node.inputs[0])
        if isinstance(codes, Skip):
            return codes
        refused = _refuse_type(codes) or refuse_move(node, codes)
        if refused:
            return refused
        axis = None if codes.scheme.axis is None else _axis_after(node, codes.scheme.axis)
        if isinstance(axis, Skip):
            return axis
        return matched(node, (node, codes.node), found=Sunk(codes, axis))

    def check(self, match: Match) -> Sunk:
        found: Sunk = match.found
        return found

    def rewrite(self, op: Builder, match: Match, found: Sunk) -> list[ir.Value]:
        node, codes = match.root, found.codes
        inputs = [codes.codes, *node.inputs[1:]]
        if node.op_type == "Pad":
            inputs = [*inputs, None, None][:4]
            code = code_of(constant_number(inputs[2]) or 0, codes.scheme)
            assert code is not None
            inputs[2] = op.constant(code, f"{node.name}.code", codes.scheme.dtype.numpy())
        kept = {k: a.value for k, a in node.attributes.items()}
        results = op.node(node.op_type, *inputs, _outputs=len(node.outputs), **kept)
        moved = [results] if isinstance(results, ir.Value) else list(results)
        for value, old in zip(moved, node.outputs):
            value.shape, value.type = old.shape, ir.TensorType(codes.scheme.dtype)
        return [op.DequantizeLinear(v, *codes.node.inputs[1:], axis=found.axis) for v in moved]


class SinkIntoOneDequantize(Rule):
    """Through a Concat of codes with equal parameters."""

    op_types = ("Concat",)

    def find(self, node: ir.Node) -> Match | Skip:
        parts = [read_codes(v) for v in node.inputs]
        codes = [p for p in parts if isinstance(p, Codes)]
        if len(codes) < len(parts):
            return next(p for p in parts if isinstance(p, Skip))
        first = codes[0]
        if first.scheme.axis is not None or first.scheme.dtype not in NARROW:
            return Skip(f"{op_name(first.node)} has several scales or wide codes")
        if other := next((c for c in codes if c.scheme != first.scheme), None):
            return Skip(f"{op_name(other.node)} has other parameters than {op_name(first.node)}")
        return matched(node, (node, *(c.node for c in codes)), codes=codes)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        node, codes = match.root, match.codes
        joined = op.Concat(*(c.codes for c in codes), axis=node.attributes["axis"].as_int())
        joined.shape, joined.type = node.outputs[0].shape, ir.TensorType(codes[0].scheme.dtype)
        return op.DequantizeLinear(joined, *codes[0].node.inputs[1:])  # type: ignore[no-any-return]


def _refuse_type(codes: Codes) -> Skip | None:
    dtype = codes.scheme.dtype
    if dtype in NARROW or (dtype != ir.DataType.INT32 and codes.codes.const_value is not None):
        return None
    return Skip(f"its codes are {dtype.name.lower()}")


def refuse_move(node: ir.Node, codes: Codes | None) -> Skip | None:
    """Why codes cannot pass a node of MOVES as numbers do. codes: of its input, if known."""
    if node.op_type == "Resize":
        return _refuse_resize(node)
    if node.op_type == "MaxPool":
        return _refuse_pool(node, codes)
    if node.op_type == "Pad" and codes is not None:
        return _refuse_pad(node, codes)
    return None


def _refuse_resize(node: ir.Node) -> Skip | None:
    if node.attributes.get_string("mode", "nearest") != "nearest":
        return Skip("it interpolates")
    if node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        return Skip("it extrapolates")
    return None


def _refuse_pool(node: ir.Node, codes: Codes | None) -> Skip | None:
    if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
        return Skip("its indices are read")
    if codes is not None and not (codes.scheme.has_positive_scale and codes.scheme.dtype in EIGHT_BITS):
        return Skip("its codes do not grow with their numbers, or have more than 8 bits")
    pads, kernel = node.attributes.get_ints("pads", ()), node.attributes.get_ints("kernel_shape", ())
    if any(p >= k for p, k in zip(pads, (*kernel, *kernel))):
        return Skip("a window of it may hold padding alone")
    return None


def _refuse_pad(node: ir.Node, codes: Codes) -> Skip | None:
    if node.attributes.get_string("mode", "constant") != "constant":
        return None
    given = node.inputs[2] if len(node.inputs) > 2 else None
    fill = 0 if given is None else constant_number(given)
    if fill is None or codes.scheme.axis is not None:
        return Skip("what it pads with is computed, or its input has several scales")
    low, high = codes.scheme.limits
    code = code_of(fill, codes.scheme)
    numbers = [(n - float(codes.scheme.zero)) * float(codes.scheme.scale) for n in (low, high)]
    if code is None or not min(numbers) <= fill <= max(numbers):
        return Skip(f"no code stands for {fill:g}, with which it pads")
    return None


def _axis_after(node: ir.Node, axis: int) -> int | Skip:
    """Where the axis of the scales is after the node, if it is whole there."""
    x, y = node.inputs[0], node.outputs[0]
    if x is None or x.shape is None or y.shape is None:
        return Skip("its shapes are not known")
    if node.op_type == "Transpose":
        order = order_of(node)
        return order.index(axis) if order is not None else Skip("its rank is not known")
    if node.op_type in VIEWS:
        return _axis_of_view(tuple(x.shape), tuple(y.shape), axis)
    if node.op_type == "Gather" and len(y.shape) >= len(x.shape) - 1:
        picked = node.attributes.get_int("axis", 0) % len(x.shape)
        if picked != axis:
            return axis if axis < picked else axis + len(y.shape) - len(x.shape)
    return Skip(f"it does not keep axis {axis} whole, which has a scale for each place")


def _axis_of_view(before: tuple[object, ...], after: tuple[object, ...], axis: int) -> int | Skip:
    """The axis of the same extent, with equally many elements before it."""
    if not all(isinstance(d, int) for d in (*before, *after)):
        return Skip("its sizes are not known")
    ahead = _product(before[:axis])
    for place, extent in enumerate(after):
        if extent == before[axis] and _product(after[:place]) == ahead:
            return place
    return Skip(f"it does not keep axis {axis} whole, which has a scale for each place")


def _product(dims: tuple[object, ...]) -> int:
    result = 1
    for d in dims:
        assert isinstance(d, int)
        result *= d
    return result


RULES = (SinkDequantize(), SinkIntoOneDequantize())
