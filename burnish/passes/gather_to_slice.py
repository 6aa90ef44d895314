"""A Gather of neighbours at constant positions becomes a Slice.

    Gather(x, 3, axis)          ->  Squeeze(Slice(x, 3:4))
    Gather(x, [3, 4, 5], axis)  ->  Slice(x, 3:6)

Then all passes on slices apply to it too. Exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.slices import write_slice
from burnish.passes.rewrite.constants import constant_integers
from burnish.passes.rewrite.pattern import PatternBuilder
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Place:
    """x[start:end] on an axis. The axis is dropped if the index was a scalar."""

    axis: int
    start: int
    end: int
    drops_axis: bool


class GatherToSlice(Rule):
    def pattern(self, op: PatternBuilder, x: object) -> object:
        return op.Gather(x, op.constant("indices"), _name="gather")

    def check(self, match: Match) -> Place | Skip:
        x, indices = match.x, constant_integers(match.indices)
        if x.shape is None or indices is None or match.indices.shape is None:
            return Skip("its indices are no constant of rank 0 or 1, or the rank of its input is not known")
        axis = match.gather.attributes.get_int("axis", 0) % len(x.shape)
        size = x.shape[axis]
        if not isinstance(size, int) or not indices:
            return Skip(f"axis {axis} of {x.name} has no known size")
        places = [i + size if i < 0 else i for i in indices]
        if places != list(range(places[0], places[0] + len(places))) or places[0] < 0 or places[-1] >= size:
            return Skip("its indices are not neighbours inside the axis")
        return Place(axis, places[0], places[-1] + 1, drops_axis=len(match.indices.shape) == 0)

    def rewrite(self, op: Builder, match: Match, found: Place) -> ir.Value:
        part = write_slice(op, match.x, {found.axis: (found.start, found.end)}, str(match.root.name))
        if not found.drops_axis:
            return part
        result: ir.Value = op.Squeeze(part, op.constant([found.axis], f"{match.root.name}/axis", dtype=np.int64))
        return result


RULES = (GatherToSlice(),)
