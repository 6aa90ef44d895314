"""Both forms of every product in one graph, and an input that chooses: runs tell how an error depends on each.

    y = Conv(x, w)    becomes    y = Where(switches[i], Conv(DQ(Q(x)), DQ(codes of w)), Conv(x, w))

One build serves every choice, at about twice the time of the model in f32. What rounded weights add to the sums of a
MatMul is taken back behind it, where the plan lowers the constant that is added to its result.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import new_initializer
from burnish.precision.precision import Precision
from burnish.precision.quantise.correct import added_constant
from burnish.precision.quantise.known import known_ranges
from burnish.precision.quantise.points import Point, find_points, refuse_float8
from burnish.precision.quantise.quantise import Quantising
from burnish.precision.ranges import Range, Ranges
from burnish.precision.words import INT8

SWITCHES = "burnish_switches"


def add_switches(graph: ir.Graph, ranges: Ranges, precision: Precision | None = None) -> tuple[str, ...]:
    """Rewrite an optimised f32 graph in place; the input SWITCHES, bool[n], is its last.

    precision: says the kind of the codes; int8 if it is left out

    returns: the names of the products, in the order of the switches
    """
    points = find_points(graph)[0]
    own, kinds = (INT8, {}) if precision is None else (precision.codes, precision.kinds_of_codes(graph))
    named = [p for p in points if str(p.node.name) not in ranges.kept]
    open_points = [p for p in named if kinds.get(p.node, own) == INT8 or not refuse_float8(p)]
    known = known_ranges(open_points, ranges)
    switched = [p for p in open_points if p.data in known]
    shape, dtype = ir.Shape([len(switched)]), ir.TensorType(ir.DataType.BOOL)
    switches = ir.Value(name=SWITCHES, shape=shape, type=dtype)
    graph.inputs.append(switches)
    work = Quantising(graph, ranges)
    for number, point in enumerate(switched):
        _switch(graph, work, point, known[point.data], switches, number, kinds.get(point.node, own))
    return tuple(str(p.node.name) for p in switched)


def _switch(
    graph: ir.Graph, work: Quantising, point: Point, found: Range, switches: ir.Value, number: int, kind: str
) -> None:
    """Give one product its other form beside it."""
    node, result, shift = point.node, point.node.outputs[0], work.shift(point, kind)
    if shift is not None and (node.op_type != "MatMul" or added_constant(result, len(shift)) is None):
        shift = None  # the product of codes has a bias of its own, or its plan takes no shift back
    other = ir.node(node.op_type, list(node.inputs), {k: a.value for k, a in node.attributes.items()})
    other.name, other.outputs[0].name = f"{node.name}/codes", f"{result.name}/of_codes"
    place = new_initializer(graph, np.array(number, np.int64), f"{node.name}/switch")
    chosen = ir.node("Gather", [switches, place], {"axis": 0}, name=f"{node.name}/switch")
    where = ir.node("Where", [chosen.outputs[0], other.outputs[0], result], name=f"{node.name}/choice")
    last = where.outputs[0]
    for value in (other.outputs[0], last):
        value.type, value.shape = result.type, result.shape
    result.name, last.name = f"{result.name}/of_numbers", result.name
    result.replace_all_uses_with(last, replace_graph_outputs=True)
    where.replace_input_with(2, result)
    graph.insert_after(node, [other, chosen, where])
    work.product(Point(other, point.data, point.weight, point.axis), found, kind)
    if shift is not None:
        back = new_initializer(graph, (-shift).astype(np.float32), f"{node.name}/back")
        add = ir.node("Add", [other.outputs[0], back], name=f"{node.name}/corrected")
        add.outputs[0].type, add.outputs[0].shape = result.type, result.shape
        where.replace_input_with(1, add.outputs[0])
        graph.insert_after(other, [add])
