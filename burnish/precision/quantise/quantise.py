"""Write ranges into the graph as QuantizeLinear and DequantizeLinear.

    Conv(x, w)   ->   Conv(DQ(Q(x)), DQ(codes of w))

The graph says its precision then, as ONNX: any tool runs it, and the passes for quantised models make integer products
of it. Biases stay f32, less what rounded weights add to the sums (correct.py). Data that depthwise convolutions alone
read have a scale for each channel. Runs on the optimised graph, before what depends on a target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import Array, constant_array, new_initializer
from burnish.precision.precision import ASKED, INT8, Decision
from burnish.precision.quantise.correct import shift_of_sums, subtract
from burnish.precision.quantise.known import known_ranges
from burnish.precision.quantise.points import Point, find_points, only_depthwise, readers_of_codes
from burnish.precision.quantise.weights import quantise_weight, rounding_of
from burnish.precision.ranges import SMALLEST, Range, Ranges


def quantise(graph: ir.Graph, ranges: Ranges, kept: Collection[ir.Node] = ()) -> tuple[Decision, ...]:
    """Rewrite an optimised f32 graph in place. Returns a decision for each product.

    kept:   nodes that a precision configuration keeps from codes: products, and what would read a product's data
    raises: E731 if the ranges are those of another model
    """
    points, decisions = find_points(graph)
    stay = {node for node in graph if node in kept or str(node.name) in ranges.kept}
    known = known_ranges([point for point in points if point.node not in stay], ranges)
    work, rows = Quantising(graph, ranges), list(decisions)
    for point in points:
        name = str(point.node.name)
        found = known.get(point.data)
        if point.node in stay or found is None:
            tensor = "" if point.node in stay else str(point.data.name)
            why = f"the ranges know no tensor '{tensor}'" if tensor else ASKED
            rows.append(Decision(name, point.node.op_type, "f32", "f32", why, missing=tensor))
            continue
        work.followers(point, found, stay)
        work.product(point, found)
        rows.append(Decision(name, point.node.op_type, "f32", INT8, _reason(point, found)))
    return tuple(rows)


def _reason(point: Point, found: Range) -> str:
    return f"{point.data.name} is {found.codes} of scale {found.scale:.4g}; its weight has one for each channel"


def range_notes(decisions: Iterable[Decision], ranges: Ranges) -> Iterator[str]:
    """Lines for the plan's notes: what to know about the ranges, and how many tensors they lack."""
    yield from ranges.notes
    rows = list(decisions)
    nothing = nothing_to_quantise(rows) if not any(row.now == INT8 or row.missing for row in rows) else ""
    if nothing and nothing not in ranges.notes:
        yield nothing
    count = sum(bool(row.missing) for row in rows)
    if count:
        yield f"{count} of {len(rows)} products read a tensor that the ranges do not know, and stay f32"


def nothing_to_quantise(rows: Sequence[Decision]) -> str:
    """The note where no product multiplies codes. rows: why, of each of them"""
    if not rows:
        return "the model has no product that int8 could compute: nothing is quantised"
    reasons = Counter(row.why for row in rows).most_common()
    told = "; ".join(f"{count} because {why}" for why, count in reasons)
    return f"none of the {len(rows)} products of the model is in int8: {told}"


class Quantising:
    """The graph while it is rewritten: each tensor is quantised once, whoever reads it."""

    def __init__(self, graph: ir.Graph, ranges: Ranges) -> None:
        self.graph, self._ranges = graph, ranges
        self._numbers: dict[ir.Value, ir.Value] = {}  # what DequantizeLinear makes of a value's codes
        self._weights: dict[tuple[ir.Value, int], ir.Value] = {}

    def product(self, point: Point, found: Range) -> None:
        """Give a product its operands as codes."""
        data = self._data(point, found)
        point.node.replace_input_with(0, data)
        means = self._ranges.means.get(str(point.data.name))
        shift = None if means is None else shift_of_sums(point, np.array(means, np.float32), self._rounding(point))
        point.node.replace_input_with(1, self._weight(point))
        if shift is not None:
            subtract(self.graph, point.node, shift)

    def followers(self, point: Point, found: Range, stay: Collection[ir.Node]) -> None:
        """Let others that read the data read its codes, too, unless they stay f32: it is stored as bytes alone."""
        for node, index in readers_of_codes(point.data):
            if node not in stay:
                node.replace_input_with(index, self._data(point, found))

    def _data(self, point: Point, found: Range) -> ir.Value:
        if point.data not in self._numbers:
            self._numbers[point.data] = self._quantised(point.data, found, point.node)
        return self._numbers[point.data]

    def _quantised(self, value: ir.Value, found: Range, first: ir.Node) -> ir.Value:
        scales = self._scales(value, found)
        scale = new_initializer(self.graph, scales, f"{value.name}/scale")
        zero = new_initializer(self.graph, np.zeros(scales.shape, found.codes), f"{value.name}/zero")
        axis = {"axis": 1} if scales.ndim else {}
        quantize = ir.node("QuantizeLinear", [value, scale, zero], axis, name=f"{value.name}/quantize")
        codes = quantize.outputs[0]
        codes.name, codes.shape = f"{value.name}/codes", value.shape
        codes.type = ir.TensorType(ir.DataType.from_numpy(found.codes))
        back = ir.node("DequantizeLinear", [codes, scale, zero], axis, name=f"{value.name}/dequantize")
        back.outputs[0].name, back.outputs[0].shape = f"{value.name}/quantised", value.shape
        back.outputs[0].type = value.type
        self._after(value, first, [quantize, back])
        return back.outputs[0]

    def _rounding(self, point: Point) -> Array:
        array = constant_array(point.weight)
        assert array is not None
        return rounding_of(array, point.axis)

    def _scales(self, value: ir.Value, found: Range) -> Array:
        """The scale of a tensor, f32; or one for each channel, if depthwise convolutions alone read it."""
        magnitudes = self._ranges.magnitudes.get(str(value.name))
        if magnitudes is None or not only_depthwise(value) or value.is_graph_output():
            return np.array(found.scale, np.float32)
        steps = np.float32(127 if found.has_negative else 255)
        largest = np.array(magnitudes, np.float32)
        return np.where(largest > 0, np.maximum(largest / steps, np.float32(SMALLEST)), np.float32(1)).astype(
            np.float32
        )

    def _weight(self, point: Point) -> ir.Value:
        key = point.weight, point.axis
        if key not in self._weights:
            array = constant_array(point.weight)
            assert array is not None
            codes, scales = quantise_weight(array, point.axis)
            name = str(point.weight.name)
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
