"""Write clipping in one form: Relu if only negative values are cut, otherwise one Clip.

    Clip(x, 0, inf)                 ->  Relu(x)
    Max(x, 0)                       ->  Relu(x)                  0 a constant of one element
    Min(x, c), Max(x, c)            ->  Clip(x, max=c), Clip(x, min=c)
    Clip(Clip(x, a, b), c, d)       ->  Clip(x, lo, hi)          lo = min(max(a, c), d), hi = min(max(b, c), d)

Relu counts as Clip(x, 0, inf); a bound at the dtype's largest number counts as no bound. Exact for numbers; floats
only. Runs before the gates of mobile networks are recognised.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import onnx_ir as ir

from burnish.passes.forms.products import FLOATS, matched, rank_of
from burnish.passes.rewrite.constants import constant_number
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

UNBOUNDED = (float("-inf"), float("inf"))


@dataclass(frozen=True)
class Interval:
    """The interval that a node clips a value to: from low to high."""

    x: ir.Value
    low: float
    high: float


class CanonicalizeClip(Rule):
    """A single Clip, Max or Min in the form above."""

    op_types = ("Clip", "Max", "Min")

    def check(self, match: Match) -> Interval | Skip:
        interval = _interval_of(match.root)
        if isinstance(interval, Skip):
            return interval
        is_needed = not _is_relu(interval) and (interval.low, interval.high) != UNBOUNDED
        if match.root.op_type == "Clip" and is_needed:
            return Skip(f"{match.root.name} is in its shortest form")
        return interval

    def rewrite(self, op: Builder, match: Match, found: Interval) -> ir.Value:
        return _clip(op, found)


class MergeClips(Rule):
    """Two clips in a row are one."""

    op_types = ("Clip", "Relu")

    def find(self, node: ir.Node) -> Match | Skip:
        outer = _interval_of(node)
        if isinstance(outer, Skip):
            return outer
        before = outer.x.producer()
        if before is None or before.graph is not node.graph or before.op_type not in self.op_types:
            return Skip(f"{outer.x.name} is not clipped itself")
        inner = _interval_of(before)
        if isinstance(inner, Skip):
            return inner
        low, high = (min(max(bound, outer.low), outer.high) for bound in (inner.low, inner.high))
        return matched(node, (node, before), interval=Interval(inner.x, low, high))

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return _clip(op, match.interval)


def clip_bounds(clip: ir.Node) -> tuple[float, float] | None:
    """(low, high) of a Clip, infinite where left out; None if one is not constant."""
    bounds = list(UNBOUNDED)
    for i, given in enumerate(clip.inputs[1:3]):
        if given is None:
            continue
        number = constant_number(given)
        if number is None:
            return None
        bounds[i] = float(number)
    return bounds[0], bounds[1]


def _interval_of(node: ir.Node) -> Interval | Skip:
    x = node.inputs[0]
    if x is None or x.dtype not in FLOATS:
        return Skip(f"{node.name} is not on floats")
    if node.op_type == "Relu":
        return Interval(x, 0.0, float("inf"))
    if node.op_type == "Clip":
        bounds = clip_bounds(node)
        if bounds is None:
            return Skip(f"a bound of {node.name} is not constant")
        largest = float(ml_dtypes.finfo(x.dtype.numpy()).max)
        return Interval(
            x,
            float("-inf") if bounds[0] <= -largest else bounds[0],
            float("inf") if bounds[1] >= largest else bounds[1],
        )
    return _extremum(node)


def _extremum(node: ir.Node) -> Interval | Skip:
    """Max or Min of a value and a number."""
    if len(node.inputs) != 2:
        return Skip(f"{node.name} has {len(node.inputs)} inputs, not 2")
    for x, other in (tuple(node.inputs), tuple(node.inputs)[::-1]):
        number = constant_number(other)
        if x is None or other is None or number is None or constant_number(x) is not None:
            continue
        rank = rank_of(x)
        if rank_of(other) and (rank is None or rank < (rank_of(other) or 0)):
            return Skip(f"{other.name} has a higher rank than {x.name}")
        bound = float(number)
        return Interval(x, bound, float("inf")) if node.op_type == "Max" else Interval(x, float("-inf"), bound)
    return Skip(f"{node.name} has no number beside one value")


def _is_relu(interval: Interval) -> bool:
    return interval.low == 0 and interval.high == float("inf")


def _clip(op: Builder, interval: Interval) -> ir.Value:
    if (interval.low, interval.high) == UNBOUNDED:
        return interval.x
    if _is_relu(interval):
        return op.Relu(interval.x)  # type: ignore[no-any-return]
    assert interval.x.dtype is not None
    dtype = interval.x.dtype.numpy()
    low = None if interval.low == float("-inf") else op.constant(interval.low, "clip_min", dtype)
    high = None if interval.high == float("inf") else op.constant(interval.high, "clip_max", dtype)
    return op.Clip(interval.x, low, high)  # type: ignore[no-any-return]
