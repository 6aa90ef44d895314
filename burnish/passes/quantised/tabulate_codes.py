"""A function of one code is a table of 256.

    Q(Gelu(DQ(x)))                     ->  Gather(table, Cast(x))
    Q(Mul(DQ(x), DQ(Q(Sigmoid(DQ(x)))))) likewise: any pointwise nodes and numbers between codes x and codes

Exact: the table is what the nodes give for each code, computed once, here. A look-up costs less than the division of
one QuantizeLinear; so it pays for three nodes and more, tables among them. Runs after clips and scales went into codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.cancel_transposes import POINTWISE
from burnish.passes.fold_constants import reference_of
from burnish.passes.forms.products import matched
from burnish.passes.quantised.codes import EIGHT_BITS, LIMITS
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

LEAST_NODES = 3
MOST_NODES = 64
THROUGH = (POINTWISE - {"Where"}) | {"QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True)
class Function:
    """A value as pointwise nodes (inputs first) make it of one tensor of codes; None: of numbers alone."""

    codes: ir.Value | None
    nodes: tuple[ir.Node, ...]


class TabulateCodes(Rule):
    op_types = ("QuantizeLinear",)

    def find(self, node: ir.Node) -> Match | Skip:
        result = node.outputs[0]
        if result.dtype not in EIGHT_BITS:
            return Skip("its codes are not of 8 bits")
        found = _read(result, node, {})
        if found is None or found.codes is None or found.codes is result:
            return Skip("it is no function of one code")
        if _rank(found.codes) != _rank(result) or _rank(result) < 0:
            return Skip("a number adds axes to the codes, or their rank is not known")
        if len(found.nodes) < LEAST_NODES:
            return Skip(f"{len(found.nodes)} nodes cost no more than a table")
        return matched(node, found.nodes[::-1], found=found)

    def check(self, match: Match) -> Array | Skip:
        found: Function = match.found
        assert found.codes is not None and found.codes.dtype is not None and match.root.graph is not None
        low, high = LIMITS[found.codes.dtype]
        codes = np.arange(low, high + 1).astype(found.codes.dtype.numpy())
        numbers = _numbers(found)
        try:
            run = reference_of(found.nodes, [found.codes, *numbers], match.root.outputs, _opsets(match.root))
            with np.errstate(all="ignore"):
                (table,) = run([codes, *map(constant_array, numbers)])
        except Exception as error:  # whatever it is, the nodes are left to the run
            return Skip(f"the reference evaluator says: {' '.join(str(error).split())[:200]}")
        return np.roll(table.reshape(-1), low)  # a negative code counts from the end

    def rewrite(self, op: Builder, match: Match, found: Array) -> ir.Value:
        codes = match.found.codes
        place = op.Cast(codes, to=int(ir.DataType.INT32))
        place.shape, place.type = codes.shape, ir.TensorType(ir.DataType.INT32)
        return op.Gather(op.constant(found, f"{match.root.name}.table"), place, axis=0)  # type: ignore[no-any-return]


def _read(value: ir.Value, root: ir.Node, done: dict[ir.Value, Function | None]) -> Function | None:
    """The value as a function of the codes farthest up; None if it is none of one tensor."""
    if value not in done:
        done[value] = None
        found = _through(value, root, done)
        if found is None and value.dtype in EIGHT_BITS and not _is_number(value):
            found = Function(value, ())
        done[value] = found
    return done[value]


def _through(value: ir.Value, root: ir.Node, done: dict[ir.Value, Function | None]) -> Function | None:
    if _is_number(value):
        return Function(None, ())
    node = value.producer()
    if node is None or node.graph is not root.graph or node.domain:
        return None
    if _is_table(node):
        before = None if node.inputs[1] is None else _read(node.inputs[1], root, done)
        return before and Function(before.codes, (*before.nodes, node))
    if node.op_type not in THROUGH or len(node.outputs) != 1:
        return None
    parts = [_read(v, root, done) for v in node.inputs if v is not None]
    codes = {p.codes for p in parts if p is not None and p.codes is not None}
    if None in parts or len(codes) > 1:
        return None
    nodes = dict.fromkeys(n for p in parts if p is not None for n in p.nodes)
    return Function(next(iter(codes), None), (*nodes, node)) if len(nodes) < MOST_NODES else None


def _is_table(node: ir.Node) -> bool:
    """Does a Gather look up codes in a table of 256?"""
    table = node.inputs[0] if node.op_type == "Gather" else None
    place = node.inputs[1].producer() if table is not None and node.inputs[1] is not None else None
    if table is None or table.dtype not in EIGHT_BITS or place is None or place.op_type != "Cast":
        return False
    codes, array = place.inputs[0], constant_array(table)
    return codes is not None and codes.dtype in EIGHT_BITS and array is not None and array.shape == (256,)


def _is_number(value: ir.Value) -> bool:
    array = constant_array(value)
    return array is not None and array.size == 1 and array.dtype != object


def _rank(value: ir.Value) -> int:
    return -1 if value.shape is None else len(value.shape)


def _numbers(found: Function) -> list[ir.Value]:
    inside = {v for n in found.nodes for v in n.outputs} | {found.codes}
    return list(dict.fromkeys(v for n in found.nodes for v in n.inputs if v is not None and v not in inside))


def _opsets(node: ir.Node) -> dict[str, int]:
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    return dict(graph.opset_imports)
