"""A ScatterND that replaces a run of rows becomes a Concat of the kept rows and the new rows.

    x[:, 4:6] = u, as ScatterND(x, constant indices, u)   ->  Concat(x[:, :4], u, x[:, 6:])

PyTorch exports assignments to slices in this form. Streaming models assign to their caches like this. Exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.slices import write_slice
from burnish.passes.rewrite.constants import Array, constant_array, integer_shape
from burnish.passes.rewrite.pattern import PatternBuilder
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Run:
    """x[..., start:end, ...] is replaced; axis None: all of x is."""

    axis: int | None
    start: int
    end: int


class ScatterToConcat(Rule):
    def pattern(self, op: PatternBuilder, x: object, updates: object) -> object:
        return op.ScatterND(x, op.constant("indices"), updates, reduction="none")

    def check(self, match: Match) -> Run | Skip:
        shape, indices = integer_shape(match.x), constant_array(match.indices)
        if shape is None or indices is None or indices.size == 0:
            return Skip(f"the shape of {match.x.name} is not known")
        depth = indices.shape[-1]
        points = indices.reshape(-1, depth)
        points = np.where(points < 0, points + np.array(shape[:depth]), points)
        low, high = points.min(0), points.max(0) + 1
        if not np.array_equal(points, _box(low, high)):
            return Skip("its indices are not a box in row-major order")
        partial = [a for a in range(depth) if (low[a], high[a]) != (0, shape[a])]
        if len(partial) > 1:
            return Skip(f"it replaces a part of {len(partial)} axes")
        if not partial:
            return Run(None, 0, 0)
        return Run(partial[0], int(low[partial[0]]), int(high[partial[0]]))

    def rewrite(self, op: Builder, match: Match, found: Run) -> ir.Value:
        shape = list(integer_shape(match.x) or ())
        name, axis = str(match.root.name), found.axis
        if axis is not None:
            shape[axis] = found.end - found.start
        new: ir.Value = op.Reshape(match.updates, op.constant(shape, f"{name}/shape", dtype=np.int64))
        new.shape, new.type = ir.Shape(shape), match.x.type
        if axis is None:
            return new
        size = match.x.shape[axis]
        parts = [new]
        if found.start > 0:
            parts.insert(0, write_slice(op, match.x, {axis: (0, found.start)}, f"{name}/before"))
        if found.end < size:
            parts.append(write_slice(op, match.x, {axis: (found.end, size)}, f"{name}/after"))
        result: ir.Value = op.Concat(*parts, axis=axis)
        return result


def _box(low: Array, high: Array) -> Array:
    """Every point of a box, in row-major order."""
    ranges = [np.arange(a, b) for a, b in zip(low, high)]
    return np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(ranges))


RULES = (ScatterToConcat(),)
