"""Check indices known only during the run: a kernel next to the node leaves a trace of indices that are out of range.

All traces are elements of one internal output of the plan. index_check.py says how the runtime reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.index_check import FARTHEST, IndexCheck
from burnish.kernels.facts import Facts
from burnish.lower.buffers import Buffers, content
from burnish.lower.fuse import inline
from burnish.lower.placement import Placement
from burnish.lower.scope import Body, Scope, is_constant
from burnish.ops.agreement import IndexClaim
from burnish.ops.inference.infer import Inferred
from burnish.ops.language.definition import Tensor
from burnish.ops.language.expr import (
    Axis,
    Expr,
    axis,
    binary,
    cast,
    const,
    dim,
    fresh_axis,
    reduce,
    substitute,
    walk,
    where,
)
from burnish.ops.language.ordering import is_at_least
from burnish.ops.quantize import limits


@dataclass(eq=False)
class Traces:
    """The checks of a whole program, branches included, and the storage of their traces."""

    most: int
    checks: list[IndexCheck] = field(default_factory=list)
    storage: int = -1

    def place(self, claim: IndexClaim, buffers: Buffers) -> Placement:
        """The position of the trace of one more check."""
        if self.storage < 0:
            self.storage = buffers.new_storage("output", self.most * DType.I64.size_bytes, "index checks")
        self.checks.append(IndexCheck(claim.what, claim.where, claim.low, claim.high, self.storage, len(self.checks)))
        return self.at(len(self.checks) - 1)

    def at(self, place: int) -> Placement:
        return Placement(self.storage, DType.I64, (1,), (1,), place)


def traces_of(inferred: Inferred, are_wanted: bool) -> Traces:
    """Reserve room for the traces of all claims of the graph, or for none of them."""
    return Traces(sum(map(len, inferred.indices.values())) if are_wanted else 0)


def add_index_checks(scope: Scope, inferred: Inferred) -> None:
    """Add a trace after every node whose indices are known only during the run. Equal checks are made once."""
    asked: set[object] = set()
    order: list[Tensor] = []
    for tensor in scope.order:
        order.append(tensor)
        node = scope.nodes[tensor]
        for claim in inferred.indices.get(node, ()):
            question = (claim.indices, claim.low, claim.high, claim.coordinate)
            if question in asked or _is_proven(scope, claim):
                continue
            asked.add(question)
            trace = Tensor(f"{node.name}/index check", DType.I64, (1,))
            scope.forms[trace], scope.nodes[trace], scope.checks[trace] = _trace(claim), node, claim
            scope.outputs.append(trace)
            order.append(trace)
    scope.order = order


def _is_proven(scope: Scope, claim: IndexClaim) -> bool:
    """Are the indices always in range, as elements of a constant or computed from positions and sizes alone?"""
    index = _index(claim, [fresh_axis(n) for n in claim.indices.shape])
    while loads := [e for e in walk(index) if e.op == "load" and not is_constant(e.attr)]:
        if _is_byte_within(index, claim):
            return True
        form = scope.forms.get(loads[0].attr)
        if not isinstance(form, Body):
            return False
        index = inline(index, loads[0].attr, form)
    values = index.args[0] if index.op == "cast" else index
    if values.op == "load":
        array = content(values.attr)
        rooms: list[Dim] = [int(array.min()) - claim.low, claim.high - int(array.max())] if array.size else []
        return all(is_at_least(room, 0) for room in rooms)
    index = substitute(index, _counted)
    if any(e.op == "load" for e in walk(index)):
        return False
    facts = Facts(())
    rooms = [facts.difference(dim(claim.low), index)[0], facts.difference(index, dim(claim.high))[0]]
    return all(is_at_least(room, 0) for room in rooms)


def _is_byte_within(index: Expr, claim: IndexClaim) -> bool:
    """Is the index one of 8 bits, whose every number lies inside?"""
    while index.op == "cast" and index.dtype.is_integer:
        index = index.args[0]
    if index.op != "load" or index.dtype not in (DType.U8, DType.I8):
        return False
    low, high = limits(index.dtype)
    return is_at_least(low, claim.low) and is_at_least(claim.high, high)


def _counted(load: Expr) -> Expr | None:
    """The formula of an element, if the constant has one element or counts along its last axis: 0 1 2 3, or 5 3 1."""
    if load.op != "load" or not is_constant(load.attr):
        return None
    array = content(load.attr)
    values, steps = array.ravel(), np.diff(array.ravel())
    if array.dtype.kind != "i" or not array.size or (array.size > 1 and array.size != array.shape[-1]):
        return None
    if array.size == 1:
        return const(int(values[0]), DType.I64)
    return load.args[-1] * int(steps[0]) + int(values[0]) if (steps == steps[0]).all() else None


def _index(claim: IndexClaim, over: Sequence[Axis]) -> Expr:
    """The index at a position of the tensor of indices."""
    places: list[Expr] = [axis(a) for a in over]
    if claim.coordinate is not None:
        places[-1] = const(claim.coordinate, DType.I64)
    return cast(claim.indices[places], DType.I64)


def _trace(claim: IndexClaim) -> Body:
    """0 if every index is in range; otherwise the trace of the farthest one (index_check.py)."""
    over = [fresh_axis(n) for n in claim.indices.shape]
    index = _index(claim, over)
    over = over if claim.coordinate is None else over[:-1]
    index = binary("max", binary("min", index, FARTHEST), -FARTHEST)
    below = where(binary("lt", index, dim(claim.low)), 1 - index * 2, 0)
    trace = where(binary("gt", index, dim(claim.high)), (index + 1) * 2, below)
    return Body((fresh_axis(1, "a"),), binary("max", reduce("max", over, trace), 0), False)


def no_trace() -> Body:
    """The trace of a check that was not made, such as one in a side of an If that is not taken."""
    return Body((fresh_axis(1, "a"),), const(0, DType.I64), False)
