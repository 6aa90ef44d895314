"""Write ranges into the graph as QuantizeLinear and DequantizeLinear.

    Conv(x, w)   ->   Conv(DQ(Q(x)), DQ(codes of w))

The graph says its precision then, as ONNX: any tool runs it, and the passes for quantised models make integer products
of it, or products of float8. Biases stay f32, less what rounded weights add to the sums (correct.py). Data that
depthwise convolutions alone read have a scale for each channel in int8. Runs on the optimised graph, before what
depends on a target. Operators that read the codes of int8 too are left out with float8: 3 bits of mantissa are few for
a residual sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import Array, constant_array, new_initializer
from burnish.precision.codes import Codes, codes_of
from burnish.precision.precision import ASKED, Decision
from burnish.precision.quantise.attention import SOFTMAX, AttentionPoint, find_attention, float8_attention
from burnish.precision.quantise.correct import shift_of_sums, subtract
from burnish.precision.quantise.known import known_ranges
from burnish.precision.quantise.points import Point, find_points, only_depthwise, readers_of_codes, refuse_float8
from burnish.precision.quantise.untranspose import as_convolution
from burnish.precision.quantise.weights import quantise_weight, rounding_of
from burnish.precision.ranges import SMALLEST, Range, Ranges
from burnish.precision.words import FP8, INT8, KINDS


def quantise(
    graph: ir.Graph,
    ranges: Ranges,
    kept: Collection[ir.Node] = (),
    codes: str = INT8,
    others: Mapping[ir.Node, str] | None = None,
) -> tuple[Decision, ...]:
    """Rewrite an optimised f32 graph in place. Returns a decision for each product.

    kept:   nodes that a precision configuration keeps from codes: products, and what would read a product's data
    codes:  their kind (precision/codes.py); others: the nodes of which a configuration says another
    raises: E731 if the ranges are those of another model
    """
    points, decisions = find_points(graph)
    attentions = find_attention(graph) if FP8 in (codes, *(others or {}).values()) else ()
    stay = {node for node in graph if node in kept or str(node.name) in ranges.kept}
    known = known_ranges([point for point in points if point.node not in stay], ranges)
    work, rows = Quantising(graph, ranges), list(decisions)
    for attention, found_ranges, told in float8_attention(attentions, ranges, stay, others or {}, codes):
        rows = [row for row in rows if row.node not in {own.node for own in told}] + list(told)
        if found_ranges:
            work.attention(attention, found_ranges)
    for point in points:
        name, kind = str(point.node.name), (others or {}).get(point.node, codes)
        found = known.get(point.data)
        refused = ASKED if point.node in stay else refuse_float8(point) if kind == FP8 else ""
        if refused or found is None:
            tensor = "" if refused else str(point.data.name)
            why = refused or f"the ranges know no tensor '{tensor}'"
            rows.append(Decision(name, point.node.op_type, "f32", "f32", why, missing=tensor))
            continue
        if kind == INT8:
            work.followers(point, found, stay)
        work.product(point, found, kind)
        why = f"{point.data.name} is {codes_of(found, kind).words}; its weight has a scale for each channel"
        rows.append(Decision(name, point.node.op_type, "f32", kind, why))
    return tuple(rows)


def range_notes(decisions: Iterable[Decision], ranges: Ranges) -> Iterator[str]:
    """Lines for the plan's notes: what to know about the ranges, and how many tensors they lack."""
    yield from ranges.notes
    rows = list(decisions)
    if any(row.now == FP8 for row in rows):
        yield from _float8_notes(ranges)
    nothing = nothing_to_quantise(rows) if not any(row.now in KINDS or row.missing for row in rows) else ""
    if nothing and nothing not in ranges.notes:
        yield nothing
    count = sum(bool(row.missing) for row in rows)
    if count:
        yield f"{count} of {len(rows)} products read a tensor that the ranges do not know, and stay f32"


def _float8_notes(ranges: Ranges) -> Iterator[str]:
    if "entropy" in ranges.method.lower():
        how = "which weighs equal steps; float8 needs no clip: --calib-method minmax keeps all numbers"
        yield f"the ranges of float8 were chosen by '{ranges.method}', {how}"
    if any(found.is_asymmetric for found in ranges.tensors.values()):
        yield "float8 has no zero point: of asymmetric ranges, the larger end counts"


def nothing_to_quantise(rows: Sequence[Decision]) -> str:
    """The note where no product multiplies codes. rows: why, of each of them"""
    if not rows:
        return "the model has no product that codes could compute: nothing is quantised"
    reasons = Counter(row.why for row in rows).most_common()
    told = "; ".join(f"{count} because {why}" for why, count in reasons)
    return f"none of the {len(rows)} products of the model multiplies codes: {told}"


class Quantising:
    """The graph while it is rewritten: each tensor is quantised once, whoever reads it."""

    def __init__(self, graph: ir.Graph, ranges: Ranges) -> None:
        self.graph, self._ranges = graph, ranges
        self._numbers: dict[tuple[ir.Value, str], ir.Value] = {}  # what DequantizeLinear makes of a value's codes
        self._weights: dict[tuple[ir.Value, int, str], ir.Value] = {}

    def product(self, point: Point, found: Range, kind: str = INT8) -> None:
        """Give a product its operands as codes of a kind."""
        data, point = self._data(point.data, found, kind, point.node), as_convolution(self.graph, point)
        shift, array = self.shift(point, kind), constant_array(point.weight)
        assert array is not None
        point.node.replace_input_with(0, data)
        point.node.replace_input_with(1, self._weight(point, array, kind))
        if shift is not None:
            subtract(self.graph, point.node, shift)

    def shift(self, point: Point, kind: str = INT8) -> Array | None:
        """What rounded weights add to a product's sums on average, f64 by output channel; None if it is not known."""
        means, array = self._ranges.means.get(str(point.data.name)), constant_array(point.weight)
        lost = None if means is None or array is None else rounding_of(array, point.axis, kind)
        return None if lost is None else shift_of_sums(point, np.array(means, np.float32), lost)

    def attention(self, point: AttentionPoint, found: Sequence[Range]) -> None:
        """Let the products of an attention read float8, and so its softmax."""
        for value, own in zip((*point.data, point.softmax), (*found, SOFTMAX), strict=True):
            uses = [(use.node, use.idx) for use in value.uses() if use.node in point.nodes]
            numbers = self._data(value, own, FP8, point.scores)
            for node, index in uses:
                node.replace_input_with(index, numbers)

    def followers(self, point: Point, found: Range, stay: Collection[ir.Node]) -> None:
        """Let others that read the data read its codes, too, unless they stay f32: it is stored as bytes alone."""
        for node, index in readers_of_codes(point.data):
            if node not in stay:
                node.replace_input_with(index, self._data(point.data, found, INT8, point.node))

    def _data(self, value: ir.Value, found: Range, kind: str, first: ir.Node) -> ir.Value:
        key = value, kind
        if key not in self._numbers:
            again = f"/{kind}" if any(own is value for own, _ in self._numbers) else ""  # a name is taken
            self._numbers[key] = self._quantised(value, found, kind, first, f"{value.name}{again}")
        return self._numbers[key]

    def _quantised(self, value: ir.Value, found: Range, kind: str, first: ir.Node, name: str) -> ir.Value:
        own = self._channels(value, found) if kind == INT8 else None
        codes = codes_of(found, kind) if own is None else Codes(found.symmetric.codes, found.scale)
        scales = np.array(codes.scale, np.float32) if own is None else own
        scale = new_initializer(self.graph, scales, f"{name}/scale")
        axis, zeros = dict[str, int]({"axis": 1} if scales.ndim else {}), list[ir.Value]()
        how = dict(axis)
        if kind == FP8:  # by its type: beside a zero point of float8, ONNX Runtime 1.32 takes a Relu before it out
            how["output_dtype"] = ir.DataType.FLOAT8E4M3FN
        else:
            zeros = [new_initializer(self.graph, np.full(scales.shape, codes.zero, codes.dtype), f"{name}/zero")]
        quantize = ir.node("QuantizeLinear", [value, scale, *zeros], how, name=f"{name}/quantize")
        stored = quantize.outputs[0]
        stored.name, stored.shape = f"{name}/codes", value.shape
        stored.type = ir.TensorType(ir.DataType.from_numpy(codes.dtype))
        back = ir.node("DequantizeLinear", [stored, scale, *zeros], axis, name=f"{name}/dequantize")
        back.outputs[0].name, back.outputs[0].shape = f"{name}/quantised", value.shape
        back.outputs[0].type = value.type
        self._after(value, first, [quantize, back])
        return back.outputs[0]

    def _channels(self, value: ir.Value, found: Range) -> Array | None:
        """A scale for each channel, f32, if depthwise convolutions alone read the tensor."""
        magnitudes = self._ranges.magnitudes.get(str(value.name))
        if magnitudes is None or not only_depthwise(value) or value.is_graph_output():
            return None
        steps = np.float32(127 if found.has_negative else 255)
        largest = np.array(magnitudes, np.float32)
        return np.where(largest > 0, np.maximum(largest / steps, np.float32(SMALLEST)), np.float32(1)).astype(
            np.float32
        )

    def _weight(self, point: Point, array: Array, kind: str) -> ir.Value:
        key = point.weight, point.axis, kind
        if key not in self._weights:
            codes, scales = quantise_weight(array, point.axis, kind)
            again = f"/{kind}" if any(value is point.weight for value, *_ in self._weights) else ""
            name = f"{point.weight.name}{again}"
            inputs = [
                new_initializer(self.graph, codes, f"{name}/codes"),
                new_initializer(self.graph, scales, f"{name}/scale"),
            ]
            node = ir.node("DequantizeLinear", inputs, {"axis": point.axis}, name=f"{name}/dequantize")
            node.outputs[0].name, node.outputs[0].shape = f"{name}/quantised", point.weight.shape
            node.outputs[0].type = point.weight.type
            self.graph.insert_before(point.node, [node])
            self._weights[key] = node.outputs[0]
        return self._weights[key]

    def _after(self, value: ir.Value, first: ir.Node, nodes: list[ir.Node]) -> None:
        """Insert where the value is there: behind its producer, or at the graph's beginning."""
        producer = value.producer()
        if producer is not None and producer.graph is self.graph:
            self.graph.insert_after(producer, nodes)
        else:
            self.graph.insert_before(next(iter(self.graph), first), nodes)
