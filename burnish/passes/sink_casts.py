"""A cast moves behind the gather that picks elements.

    Gather(Reshape(Cast(x)), i)   ->   Cast(Gather(Reshape(x), i))

Then the cast joins the node that reads the elements, and no converted copy is stored (padding masks have this form).
Exact. Applies if only the gather reads the cast.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.cancel_reshapes import RESHAPES
from burnish.passes.forms.products import is_shared
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Found:
    """The cast, and the reshapes after it, the last one first."""

    cast: ir.Node
    reshapes: tuple[ir.Node, ...]


class SinkCast(Rule):
    op_types = ("Gather",)

    def check(self, match: Match) -> Found | Skip:
        value = match.root.inputs[0]
        reshapes: list[ir.Node] = []
        while value is not None and (node := value.producer()) is not None and node.graph is match.root.graph:
            if is_shared(value):
                return Skip(f"{value.name} has {len(value.uses())} users or is an output of the graph")
            if node.op_type == "Cast" and not node.domain:
                return Found(node, tuple(reshapes))
            if node.op_type not in RESHAPES or node.domain:
                break
            reshapes.append(node)
            value = node.inputs[0]
        return Skip("it picks from no cast")

    def rewrite(self, op: Builder, match: Match, found: Found) -> ir.Value:
        value = found.cast.inputs[0]
        assert value is not None
        dtype = value.type
        for node in reversed(found.reshapes):
            attributes = {k: a.value for k, a in node.attributes.items()}
            result: ir.Value = op.node(node.op_type, value, *node.inputs[1:], **attributes)
            result.shape, result.type = node.outputs[0].shape, dtype
            value = result
        attributes = {k: a.value for k, a in match.root.attributes.items()}
        picked: ir.Value = op.Gather(value, match.root.inputs[1], **attributes)
        picked.shape, picked.type = match.root.outputs[0].shape, dtype
        kept = {k: a.value for k, a in found.cast.attributes.items()}
        return op.Cast(picked, **kept)  # type: ignore[no-any-return]
