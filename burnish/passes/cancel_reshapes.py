"""A reshape of a reshape is one reshape.

    Reshape(Reshape(x, a), b)      ->  Reshape(x, b)        Flatten, Squeeze and Unsqueeze count as reshapes
    Unsqueeze(Squeeze(x))          ->  x                    where x has the final shape already

Exact: the elements keep their order. The inner reshape stays if other nodes use it.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.rewrite.constants import has_same_shape
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


class MergeReshapes(Rule):
    op_types = RESHAPES
    may_duplicate = True

    def check(self, match: Match) -> ir.Value | list[int] | Skip:
        """The value itself if no reshape is needed any more, otherwise the target shape of the remaining reshape."""
        node = match.root
        inner = node.inputs[0].producer() if node.inputs[0] is not None else None
        if inner is None or inner.op_type not in RESHAPES or inner.domain != "" or inner.inputs[0] is None:
            return Skip("its input is not a reshape")
        if inner.graph is not node.graph:
            return Skip(f"{inner.name} lies outside this subgraph")
        source, result = inner.inputs[0], node.outputs[0]
        if has_same_shape(source, result):
            return source
        if result.shape is None or source.shape is None:
            return Skip(f"the shape of {result.name} is not known")
        target = _target(source.shape, result.shape)
        if target is None:
            return Skip(f"{result.name} has more than one dimension that is not known")
        return target

    def rewrite(self, op: Builder, match: Match, found: ir.Value | list[int]) -> ir.Value:
        if isinstance(found, ir.Value):
            return found
        inner = match.root.inputs[0]
        producer = inner.producer() if inner is not None else None
        assert producer is not None
        result: ir.Value = op.Reshape(producer.inputs[0], op.constant(found, f"{match.root.name}/shape", dtype="int64"))
        return result


def _target(source: ir.Shape, result: ir.Shape) -> list[int] | None:
    """Ints, 0 for a dimension copied from the same axis, at most one -1; also None where a dimension is empty."""
    target: list[int] = []
    for axis, d in enumerate(result):
        if isinstance(d, int):
            if d == 0:
                return None
            target.append(d)
        else:
            copied = axis < len(source) and source[axis] == d and d.value is not None
            target.append(0 if copied else -1)
    return target if target.count(-1) <= 1 else None


RULES = (MergeReshapes(),)
