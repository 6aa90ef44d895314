"""Say which products of a quantised model run on integers, which read weights of few bits, and why the others do not.

These are rows of --explain-precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import onnx_ir as ir

from burnish.passes.quantised.pack_weights import DOMAIN, NOT_PACKED, PackWeights
from burnish.passes.quantised.product_to_integers import NOT_QUANTISED, ProductToIntegers
from burnish.passes.rewrite.context import PassReport
from burnish.passes.rewrite.rule import SOURCES, sources
from burnish.precision.precision import INT8, Decision

ON_INTEGERS = frozenset({"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"})
FEW_BITS = "-bit codes"  # how the types of such products end


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
        elif node.op_type in ProductToIntegers.op_types and node.domain == "":
            reason = report.declined.get((rule, name), NOT_QUANTISED)
            if reason != NOT_QUANTISED:
                unpacked = report.declined.get((PackWeights.__name__, name), NOT_PACKED)
                reason += f"; {unpacked}" if unpacked not in (NOT_PACKED, reason) else ""
                yield Decision(name, node.op_type, "f32", "f32", reason)


def without_integers(quantised: Sequence[Decision]) -> tuple[Decision, ...]:
    """A row for each product that ranges have quantised, on a target without integer products."""
    why = "this target has no integer products: the numbers that codes stand for are multiplied"
    return tuple(replace(row, now="f32", why=why) for row in quantised if row.now == INT8)


def as_one(quantised: Sequence[Decision], products: Sequence[Decision]) -> tuple[Decision, ...]:
    """One row for each product: the calibrator's, which has the scale, with what became of it in this target."""
    by_node = {row.node: row for row in products}
    rows = list[Decision]()
    for row in quantised:
        own = by_node.pop(row.node, None) if row.now == INT8 else None
        if own is not None and own.now != INT8:
            row = replace(row, now=own.now, why=f"{own.why}; {row.why}")
        rows.append(row)
    return (*rows, *by_node.values())


def product_notes(rows: Sequence[Decision]) -> Iterator[str]:
    """Lines for the plan's notes, if the model has quantised products."""
    packed = sum(row.now.endswith(FEW_BITS) for row in rows)
    if packed:
        yield f"products that read their weights in few bits: {packed}; --explain-precision says which"
    if len(rows) > packed:
        whole, total = sum(row.now == INT8 for row in rows), len(rows) - packed
        yield f"{whole} of {total} quantised products run on integers; --explain-precision says which and why"
