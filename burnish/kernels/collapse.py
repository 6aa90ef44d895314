"""Merge neighbouring axes that every load and store walks as one axis: kernels get fewer and longer axes.

    for h: for w: out[h*W + w] = f(x[h*W + w])      ->      for hw: out[hw] = f(x[hw])

Axis `a` joins the axis `b` inside it when the flat stride of a == extent(b) * stride of b in every load and store, and
neither is used for its value. The index of the pair becomes (0, ab), so the flat offset does not change. Axes of
extent 1 become 0. Both the domain and the axes of reductions are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.facts import flatten
from burnish.kernels.simplify import simplify
from burnish.kernels.task import Loops, Slot, Store
from burnish.ops.language.expr import Axis, Expr, axis, const, linear, reduce, substitute, substitute_axes, walk


@lru_cache(maxsize=64)
def prepare(kernel: Loops) -> Loops:
    """Prepare a kernel for its template: simplify it, then merge its axes into as few as possible."""
    return collapse(simplify(_without_ones(kernel)))


def collapse(kernel: Loops) -> Loops:
    """The same work over as few axes as possible; the order of the remaining axes is kept."""
    kernel = _without_ones(kernel)
    joined = True
    while joined:
        joined = False
        for group in _groups(kernel):
            for outer, inner in pairwise(group):
                if _can_join(kernel, outer, inner):
                    kernel = _join(kernel, outer, inner)
                    joined = True
                    break
            if joined:
                break
    return kernel


def _groups(kernel: Loops) -> list[tuple[Axis, ...]]:
    """The domain, then the axes of each reduction."""
    found: dict[tuple[Axis, ...], None] = {kernel.domain: None}
    for s in kernel.stores:
        for e in walk(s.value):
            if e.op == "reduce":
                found[e.attr[1]] = None
    return list(found)


def _accesses(kernel: Loops) -> list[tuple[Slot, tuple[Expr, ...]]]:
    found = [(kernel.slots[s.slot], s.index) for s in kernel.stores]
    for s in kernel.stores:
        found += [(kernel.slots[e.attr], e.args) for e in walk(s.value) if e.op == "load"]
    return found


def _can_join(kernel: Loops, outer: Axis, inner: Axis) -> bool:
    pair = {outer, inner}
    for group in _groups(kernel)[1:]:  # reductions with one of the two only, or with something between them
        if pair & set(group) and not _adjacent(group, outer, inner):
            return False
    for slot, index in _accesses(kernel):
        address = flatten(slot, index)
        steps = address.form.coefficients
        if steps.get(outer, 0) != inner.extent * steps.get(inner, 0):
            return False
        if any(e.op == "axis" and e.attr in pair for part, _ in address.atoms for e in walk(part)):
            return False
    return not any(_uses_value(s.value, pair) for s in kernel.stores)


def _adjacent(group: tuple[Axis, ...], outer: Axis, inner: Axis) -> bool:
    return outer in group and inner in group and group.index(inner) == group.index(outer) + 1


def _uses_value(root: Expr, axes: set[Axis]) -> bool:
    """Is an axis used other than in a load's linear index?"""
    visited: set[Expr] = set()

    def visit(node: Expr) -> bool:
        if node in visited:
            return False
        visited.add(node)
        if node.op == "axis":
            return node.attr in axes
        if node.op == "load":
            return any(linear(a) is None and visit(a) for a in node.args)
        return any(visit(a) for a in node.args)

    return visit(root)


def _join(kernel: Loops, outer: Axis, inner: Axis) -> Loops:
    extent: Dim = outer.extent * inner.extent
    both = Axis(inner.name, extent)
    return _replace_axes(kernel, {outer: const(0, DType.I64), inner: axis(both)}, {outer: None, inner: both})


def _without_ones(kernel: Loops) -> Loops:
    ones = [a for group in _groups(kernel) for a in group if a.extent == 1]
    return _replace_axes(kernel, {a: const(0, DType.I64) for a in ones}, dict.fromkeys(ones)) if ones else kernel


def _replace_axes(kernel: Loops, values: dict[Axis, Expr], axes: dict[Axis, Axis | None]) -> Loops:
    """Put values in place of axes, in indexes, values, reductions and the domain (None: the axis is gone)."""

    def of(group: Sequence[Axis]) -> tuple[Axis, ...]:
        renamed = (axes.get(a, a) for a in group)
        return tuple(a for a in renamed if a is not None)

    def rebuild(node: Expr) -> Expr | None:
        if node.op != "reduce":
            return None
        kind, group = node.attr
        return reduce(kind, of(group), node.args[0])

    def replaced(root: Expr) -> Expr:
        return substitute(substitute_axes(root, values), rebuild)

    stores = tuple(Store(s.slot, tuple(replaced(i) for i in s.index), replaced(s.value)) for s in kernel.stores)
    return Loops(kernel.slots, of(kernel.domain), stores)
