"""Keep a constant table of few bits as codes, and widen the rows that a run picks.

    Gather(DequantizeLinear(w, scale, zero, block_size), indices)  ->  GatherBlockQuantized(w, indices, scale, zero)

w: a matrix of 2, 4 or 8 bits, its scales for blocks of a row, for each row, or one for all. GatherBlockQuantized is
ONNX Runtime's operator, with codes side by side in bytes. Exact. The embedding of a small language model may be its
largest constant.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.ops.few_bits import pack_codes
from burnish.passes.forms.linear import op_name
from burnish.passes.forms.products import matched
from burnish.passes.quantised.pack_weights import DOMAIN, Weight, read_weight
from burnish.passes.rewrite.constants import is_constant
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


class PackTables(Rule):
    op_types = ("Gather",)

    def find(self, node: ir.Node) -> Match | Skip:
        table = _read(node)
        return table if isinstance(table, Skip) else matched(node, (node,), found=table)

    def check(self, match: Match) -> Weight:
        found: Weight = match.found
        return found

    def rewrite(self, op: Builder, match: Match, found: Weight) -> ir.Value:
        node, name = match.root, str(match.root.name)
        zero = np.full(found.scale.shape, 1 << (found.bits - 1), np.uint8) if found.zero is None else found.zero
        return op.node(  # type: ignore[no-any-return]
            "GatherBlockQuantized",
            op.constant(pack_codes(found.codes, found.bits), f"{name}.codes"),
            node.inputs[1],
            op.constant(found.scale, f"{name}.scales"),
            op.constant(pack_codes(zero, found.bits), f"{name}.zeros"),
            _domain=DOMAIN,
            bits=found.bits,
            block_size=found.block,
            gather_axis=0,
            quantize_axis=1,
        )


def _read(node: ir.Node) -> Weight | Skip:
    value = node.inputs[0]
    source = None if value is None else value.producer()
    if source is None or source.op_type != "DequantizeLinear" or source.domain or not is_constant(source.inputs[0]):
        return Skip("its data are not dequantised from a constant")
    if value is None or value.shape is None or value.shape.rank() != 2:
        return Skip(f"{op_name(source)} makes no matrix")
    if node.attributes.get_int("axis", 0) % 2:
        return Skip("it picks columns")
    found = read_weight(source, True)
    if not isinstance(found, Skip) and found.codes.shape[1] * found.bits % 8:
        return Skip(f"a row of {found.codes.shape[1]} codes fills no whole bytes")
    return found
