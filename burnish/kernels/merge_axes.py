"""Merge neighbouring axes that every load and store walks as one axis: kernels get fewer and longer axes.

    for h: for w: out[h*W + w] = f(x[h*W + w])      ->      for hw: out[hw] = f(x[hw])

Axis `a` joins the axis `b` inside it when stride of a == extent(b) * stride of b in every load and store, and neither
is used for its value. Addresses are linear, so no offset changes when b takes the counter of both and a becomes 0.
Axes of extent 1 become 0. `Loops` and contractions (contraction_runs.py) share the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.kernels.facts import flatten
from burnish.kernels.simplify import simplify
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import (
    Axis,
    Expr,
    Linear,
    axis,
    const,
    from_linear,
    linear,
    load,
    reduce,
    substitute,
    substitute_axes,
    walk,
)


@dataclass(frozen=True)
class Walks:
    """How memory is walked. strides: of each axis, in each access; as_numbers: axes whose value is used otherwise."""

    strides: Sequence[Mapping[Axis, Dim]]
    as_numbers: frozenset[Axis] = frozenset()

    def runs(self, axes: Iterable[Axis]) -> list[tuple[Axis, ...]]:
        """The axes, outer to inner, in groups that one counter walks."""
        found: list[tuple[Axis, ...]] = []
        for a in axes:
            run: tuple[Axis, ...] = (a,)
            while found and self._are_one(found[-1][-1], run):
                run = (*found.pop(), *run)
            found.append(run)
        return found

    def outer_first(self, axes: Sequence[Axis]) -> Sequence[Axis]:
        """The axes by decreasing stride, if each access has them in that order: where the order changes nothing."""
        steps = [[s.get(a, 0) for s in self.strides] for a in axes]
        if not all(isinstance(n, int) for step in steps for n in step):
            return axes
        found = sorted(range(len(axes)), key=lambda i: [-abs(int(n)) for n in steps[i]])  # type: ignore[arg-type]
        return [axes[i] for i in found]

    def _are_one(self, outer: Axis, run: Sequence[Axis]) -> bool:
        inner, extent = run[-1], product(a.extent for a in run)
        if self.as_numbers & {outer, inner}:
            return False
        return all(s.get(outer, 0) == extent * s.get(inner, 0) for s in self.strides)


def walks_of(slots: Sequence[Slot], stores: Sequence[Store], *values: Expr) -> Walks:
    """How stores, the loads in their values, and the loads in other values walk memory."""
    roots = [*values, *(s.value for s in stores)]
    accesses = [(s.slot, s.index) for s in stores]
    accesses += [(e.attr, e.args) for root in roots for e in walk(root) if e.op == "load"]
    gathers = [i for s in stores for i in s.index if linear(i) is None]
    strides = [flatten(slots[slot], index).form.coefficients for slot, index in accesses]
    return Walks(strides, _as_numbers([*roots, *gathers]))


@lru_cache(maxsize=64)
def prepare(kernel: Loops) -> Loops:
    """Prepare a kernel for its template: simplify it, then merge its axes into as few as possible."""
    axes = [e.attr for s in kernel.stores for e in walk(s.value) if e.op == "axis"]
    plain = replace(kernel, stores=tuple(without_units(kernel.stores, [*kernel.domain, *axes])))
    return merge_axes(simplify(plain))


def merge_axes(kernel: Loops, are_last: bool = False) -> Loops:
    """The same work over as few axes as possible, in the domain and in each reduction. The order of axes is kept,
    but for the axes of a largest or smallest number: they follow memory.

    are_last: in an index, the terms of merged axes come last; else each is where that of its inner axis was. Lowering
              does it, and has to: kernels' keys, by which timing caches find their measurements, hold the order
    """
    stores = without_units(kernel.stores, kernel.domain)
    runs = walks_of(kernel.slots, stores).runs(a for a in kernel.domain if a.extent != 1)

    def merged_reduction(e: Expr) -> Expr | None:
        if e.op != "reduce":
            return None
        kind, axes = e.attr
        body = _without(e.args[0], axes)
        walks = walks_of(kernel.slots, (), body)
        kept = [a for a in axes if a.extent != 1]
        found = walks.runs(walks.outer_first(kept) if kind in ("max", "min") else kept)
        return reduce(kind, _counters(found), _merged(body, found, are_last))

    def merged(store: Store) -> Store:
        index = tuple(_merged(i, runs, are_last) for i in store.index)
        return Store(store.slot, index, substitute(_merged(store.value, runs, are_last), merged_reduction))

    return Loops(kernel.slots, _counters(runs), tuple(map(merged, stores)))


def without_units(stores: Sequence[Store], axes: Iterable[Axis]) -> list[Store]:
    """The same stores with 0 in place of every axis of extent 1."""
    axes = tuple(axes)
    return [Store(s.slot, tuple(_without(i, axes) for i in s.index), _without(s.value, axes)) for s in stores]


def _without(root: Expr, axes: Iterable[Axis]) -> Expr:
    zero = {a: const(0, DType.I64) for a in axes if a.extent == 1}
    return substitute_axes(root, zero) if zero else root


def _counters(runs: Iterable[Sequence[Axis]]) -> tuple[Axis, ...]:
    """The axis that stands for each run."""
    return tuple(r[0] if len(r) == 1 else Axis(r[-1].name, product(a.extent for a in r)) for r in runs)


def _merged(root: Expr, runs: Iterable[Sequence[Axis]], are_last: bool) -> Expr:
    """The expression over the counters of the runs."""
    long = [r for r in runs if len(r) > 1]
    counters = _counters(long)
    values = {a: const(0, DType.I64) for r in long for a in r} | {r[-1]: axis(c) for r, c in zip(long, counters)}

    def ordered(e: Expr) -> Expr | None:
        return load(e.attr, e.dtype, [_with_last(i, counters) for i in e.args]) if e.op == "load" else None

    merged = substitute_axes(root, values) if long else root
    return _with_last(substitute(merged, ordered), counters) if long and are_last else merged


def _with_last(index: Expr, counters: Sequence[Axis]) -> Expr:
    """A linear index with the terms of some axes last, in the order of the axes."""
    form = linear(index)
    if form is None or not form.coefficients.keys() & set(counters):
        return index
    rest = {a: c for a, c in form.coefficients.items() if a not in counters}
    merged = {a: form.coefficients[a] for a in counters if a in form.coefficients}
    return from_linear(Linear(rest | merged, form.constant))


def _as_numbers(roots: Iterable[Expr]) -> frozenset[Axis]:
    """Axes whose value is used for more than a linear address: compared with a position, or in a gather's index."""
    found: set[Axis] = set()
    seen: set[Expr] = set()

    def visit(node: Expr) -> None:
        if node in seen:
            return
        seen.add(node)
        if node.op == "axis":
            found.add(node.attr)
        for child in node.args:
            if node.op != "load" or linear(child) is None:
                visit(child)

    for root in roots:
        visit(root)
    return frozenset(found)
