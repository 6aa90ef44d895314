"""A slice reads directly from the source of its elements.

    Slice(Concat(a, b, c), range inside b)     ->  Slice(b, range)       also if it takes whole parts
    Slice(Slice(x, r1), r2)                    ->  Slice(x, r1 + r2)

Exact. The inner node stays if other nodes use it.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.forms.slices import Ranges, read_slice, write_slice
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Source:
    """Slices of these parts, side by side on `axis`."""

    parts: tuple[tuple[ir.Value, Ranges], ...]
    axis: int


class SliceOfConcat(Rule):
    op_types = ("Slice",)
    may_duplicate = True

    def check(self, match: Match) -> Source | Skip:
        ranges = read_slice(match.root)
        if isinstance(ranges, str):
            return Skip(ranges)
        x = match.root.inputs[0]
        concat = x.producer() if x is not None else None
        if (
            x is None
            or x.shape is None
            or concat is None
            or concat.op_type != "Concat"
            or concat.graph is not match.root.graph
        ):
            return Skip("its input is not a Concat of this graph")
        axis = concat.attributes["axis"].as_int() % len(x.shape)
        if axis not in ranges:
            return Skip(f"it does not slice axis {axis}, on which {concat.name} concatenates")
        low, high = ranges[axis]
        parts: list[tuple[ir.Value, Ranges]] = []
        offset = 0
        for part in concat.inputs:
            size = part.shape[axis] if part is not None and part.shape is not None else None
            if part is None or not isinstance(size, int):
                return Skip(f"a part of {concat.name} has no known size")
            start, end = max(low - offset, 0), min(high - offset, size)
            if start < end:
                parts.append((part, {**ranges, axis: (start, end)}))
            offset += size
        if len(parts) != 1 and any(r[axis] != (0, p.shape[axis]) for p, r in parts if p.shape is not None):
            return Skip("it cuts through several parts")
        if not parts or len(parts) == len(concat.inputs):
            return Skip("it takes all or nothing")
        return Source(tuple(parts), axis)

    def rewrite(self, op: Builder, match: Match, found: Source) -> ir.Value:
        pieces = [write_slice(op, part, ranges, str(match.root.name)) for part, ranges in found.parts]
        result: ir.Value = pieces[0] if len(pieces) == 1 else op.Concat(*pieces, axis=found.axis)
        return result


class SliceOfSlice(Rule):
    op_types = ("Slice",)
    may_duplicate = True

    def check(self, match: Match) -> Ranges | Skip:
        x = match.root.inputs[0]
        inner = x.producer() if x is not None else None
        if inner is None or inner.op_type != "Slice" or inner.graph is not match.root.graph:
            return Skip("its input is not a Slice of this graph")
        first, second = read_slice(inner), read_slice(match.root)
        if isinstance(first, str) or isinstance(second, str):
            return Skip(first if isinstance(first, str) else str(second))
        merged = dict(first)
        for axis, (low, high) in second.items():
            offset = first.get(axis, (0, 0))[0]
            merged[axis] = (offset + low, offset + high)
        return merged

    def rewrite(self, op: Builder, match: Match, found: Ranges) -> ir.Value:
        x = match.root.inputs[0]
        inner = x.producer() if x is not None else None
        assert inner is not None and inner.inputs[0] is not None
        return write_slice(op, inner.inputs[0], found, str(match.root.name))


RULES = (SliceOfConcat(), SliceOfSlice())
