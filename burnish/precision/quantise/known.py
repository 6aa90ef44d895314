"""Which of the tensors that products read have a range, if the ranges name tensors of the model as it was exported.

A TensorRT cache, or a caller, names the original model's tensors. Passes keep most of those names; where one is gone,
the range of the tensor holds for what only moves its elements or casts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir

from burnish.errors import UserError
from burnish.passes.rewrite.rule import sources
from burnish.precision.quantise.attention import find_attention
from burnish.precision.quantise.points import Point, digest_of, find_points
from burnish.precision.ranges import Range, Ranges

MOVES = frozenset({
    "Cast", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "SpaceToDepth",
    "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
})  # fmt: skip
MOST_NAMED = 5  # in a note
LEAST_SHARE = 0.5  # of the tensors that products read must be known, else the ranges are another model's


def known_ranges(points: Sequence[Point], ranges: Ranges) -> dict[ir.Value, Range]:
    """The range of each tensor that a product reads and the ranges know.

    raises: E731 if they know too few. Ranges that a caller wrote himself (they have no method) may know any number.
    """
    wanted = list(dict.fromkeys(point.data for point in points))
    found = {value: own for value in wanted if (own := _range_of(value, ranges)) is not None}
    if wanted and ranges.method and len(found) < LEAST_SHARE * len(wanted):
        unknown = next(str(v.name) for v in wanted if v not in found)
        raise UserError(
            "E731",
            "the ranges are those of another model",
            why=f"they know {len(found)} of the {len(wanted)} tensors that products read; '{unknown}' is not one",
            hint="give this model's own, or calibrate: burnish calibrate MODEL --data DATA",
        )
    return found


def stray_notes(graph: ir.Graph, ranges: Ranges) -> Iterator[str]:
    """Lines about ranges of another model, and about names that the graph does not have. Call it before `quantise`."""
    points, _ = find_points(graph)
    is_spelled_out = bool(find_attention(graph))  # then ranges of int8 saw queries, keys and values as one product
    if points and ranges.graph and ranges.graph != digest_of(points) and not is_spelled_out:
        yield "the ranges were found on other weights than this model's: calibrate again, if that is not meant"
    values = (value for node in graph.all_nodes() for value in (*node.inputs, *node.outputs))
    known = {str(value.name) for value in values if value is not None}
    if unused := () if ranges.is_superset else sorted(set(ranges.tensors) - known):
        yield f"ranges of tensors that the optimised model does not have change nothing: {_listed(unused)}"
    nodes = {name for node in graph.all_nodes() for name in (str(node.name), *sources(node))}
    if stray := sorted(ranges.kept - nodes):
        yield f"nodes to keep in f32 that the optimised model does not have change nothing: {_listed(stray)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:MOST_NAMED]) + more


def _range_of(value: ir.Value, ranges: Ranges) -> Range | None:
    """Its own range, or that of the tensor whose elements it has."""
    at: ir.Value | None = value
    while at is not None and str(at.name) not in ranges.tensors:
        node = at.producer()
        at = node.inputs[0] if node is not None and node.op_type in MOVES and not node.domain else None
    return None if at is None else ranges.tensors[str(at.name)]
