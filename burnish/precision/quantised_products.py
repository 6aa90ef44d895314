"""Say which products of a quantised model multiply codes, which read weights of few bits, and why the others do not.

These are rows of --explain-precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import onnx_ir as ir

from burnish.passes.quantised.pack_weights import DOMAIN, NOT_PACKED, PackWeights
from burnish.passes.quantised.product_to_float8 import FLOAT8, ProductToFloat8, read_float8
from burnish.passes.quantised.product_to_integers import NOT_QUANTISED, ProductToIntegers
from burnish.passes.rewrite.context import PassReport
from burnish.passes.rewrite.rule import SOURCES, Skip, sources
from burnish.precision.precision import Decision
from burnish.precision.words import FP8, INT8, KINDS

ON_INTEGERS = frozenset({"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"})
FEW_BITS = "-bit codes"  # how the types of such products end
THROUGH = ("Mul", "Div", "Reshape", "Transpose")  # what may scale and move the queries of an attention
READS_FLOAT8 = "it reads float8"
NO_FLOAT8 = "this target multiplies its numbers in f32, for accuracy alone"


def quantised_products(model: ir.Model, report: PassReport) -> tuple[Decision, ...]:
    """A row for each product of quantised tensors, after the passes of a target with integer products."""
    return tuple(_rows(model, report))


def _rows(model: ir.Model, report: PassReport) -> Iterator[Decision]:
    rule = ProductToIntegers.__name__
    for node in model.graph.all_nodes():
        name = str(node.name)
        if node.op_type in ON_INTEGERS and node.domain == "":
            was = "f32" if SOURCES in node.metadata_props else INT8
            yield Decision(sources(node)[-1], node.op_type, was, INT8, "its data and its weight are quantised")
        elif (node.op_type, node.domain) == ("MatMulNBits", DOMAIN):
            why = "its data are not quantised; kernels read the codes, and sums are f32"
            yield Decision(name, "MatMul", "f32", f"{node.attributes['bits'].as_int()}{FEW_BITS}", why)
        elif node.op_type in ProductToFloat8.op_types and node.domain == "" and _reads_float8(node):
            yield _float8_row(node, report)
        elif node.op_type in ProductToIntegers.op_types and node.domain == "":
            reason = report.declined.get((rule, name), NOT_QUANTISED)
            if reason != NOT_QUANTISED:
                unpacked = report.declined.get((PackWeights.__name__, name), NOT_PACKED)
                reason += f"; {unpacked}" if unpacked not in (NOT_PACKED, reason) else ""
                yield Decision(name, node.op_type, "f32", "f32", reason)


def _reads_float8(node: ir.Node) -> bool:
    """Are its operands float8, or numbers that float8 codes stand for?"""
    data = node.inputs[0]
    while (
        data is not None and (before := data.producer()) is not None and before.op_type in THROUGH and not before.domain
    ):
        data = before.inputs[0]
    return data is not None and (data.dtype == FLOAT8 or not isinstance(read_float8(data), Skip))


def _float8_row(node: ir.Node, report: PassReport) -> Decision:
    data = node.inputs[0]
    assert data is not None
    if data.dtype == FLOAT8:
        return Decision(sources(node)[-1], node.op_type, "f32", FP8, "its data and its weight are float8")
    reason = report.declined.get((ProductToFloat8.__name__, str(node.name)), NO_FLOAT8)
    return Decision(str(node.name), node.op_type, "f32", "f32", f"{READS_FLOAT8}: {reason}")


def as_one(quantised: Sequence[Decision], products: Sequence[Decision]) -> tuple[Decision, ...]:
    """One row for each product: the calibrator's, which has the scale, with what became of it in this target."""
    by_node = {row.node: row for row in products}
    rows = list[Decision]()
    for row in quantised:
        own = by_node.pop(row.node, None) if row.now in KINDS else None
        if own is not None and own.now != row.now:
            row = replace(row, now=own.now, why=f"{own.why}; {row.why}")
        rows.append(row)
    return (*rows, *by_node.values())


def product_notes(rows: Sequence[Decision]) -> Iterator[str]:
    """Lines for the plan's notes, if the model has quantised products."""
    packed = sum(row.now.endswith(FEW_BITS) for row in rows)
    if packed:
        yield f"products that read their weights in few bits: {packed}; --explain-precision says which"
    wide = [row for row in rows if row.why.startswith(READS_FLOAT8)]
    multiplied = sum(row.now == FP8 for row in rows)
    if any(row.why.endswith(NO_FLOAT8) for row in wide):
        yield f"{len(wide)} products read float8: {NO_FLOAT8}"
    elif wide or multiplied:
        total = len(wide) + multiplied
        yield f"{multiplied} of {total} products of float8 run on float8; --explain-precision says which and why"
    if total := len(rows) - packed - len(wide) - multiplied:
        whole = sum(row.now == INT8 for row in rows)
        yield f"{whole} of {total} quantised products run on integers; --explain-precision says which and why"
