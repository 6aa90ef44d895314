"""From expressions over tensors to kernels over slots.

A load of a placed tensor becomes a load of a one-dimensional slot at a flat index, the sum of axis * stride. Then axes
that every access walks together are merged: a dense [16, 33, 2] becomes one loop of 1,056.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.task import Binding, Slot, Store
from burnish.lower.placement import Placement
from burnish.ops.language import expr as ex
from burnish.ops.language.expr import Axis, Expr, Linear, axis, fresh_axis, linear, load, substitute, walk


@dataclass(eq=False)
class Slots:
    """Numbers the placements that a kernel touches."""

    placements: list[Placement] = field(default_factory=list)
    written: set[int] = field(default_factory=set)

    def number(self, placement: Placement) -> int:
        for i, p in enumerate(self.placements):
            if (p.storage, p.offset, p.dtype) == (placement.storage, placement.offset, placement.dtype):
                return i
        self.placements.append(placement)
        return len(self.placements) - 1

    @property
    def flat(self) -> tuple[Slot, ...]:
        return tuple(Slot(p.dtype, (p.slot.span,), (1,), p.aligned) for p in self.placements)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        return tuple(p.binding for p in self.placements)


def flat_index(index: Sequence[Expr], placement: Placement) -> Expr:
    """sum of index * stride, gathered into one term per axis where it is linear."""
    constant: Dim = 0
    coefficients: dict[Axis, Dim] = {}
    rest: list[Expr] = []
    for e, extent, stride in zip(index, placement.shape, placement.strides, strict=True):
        form = linear(e)
        if extent == 1 and form is not None and form.constant == 0 and all(a.extent == 1 for a in form.coefficients):
            continue  # always 0; into a halo, the index of an axis of extent 1 may be another
        if form is None:
            rest.append(e * ex.dim(stride))
            continue
        constant = constant + form.constant * stride
        for a, c in form.coefficients.items():
            coefficients[a] = coefficients.get(a, 0) + c * stride
    total = ex.dim(constant)
    for a, c in coefficients.items():
        if c != 0:
            total = total + axis(a) * ex.dim(c)
    for e in rest:
        total = total + e
    return total


def bind_loads(root: Expr, place: Callable[[Expr], Placement | Expr], slots: Slots) -> Expr:
    """Turn loads of tensors into loads of flat slots.

    `place` gets the load, and may also return a constant expression.
    """

    def replace(e: Expr) -> Expr | None:
        if e.op != "load" or isinstance(e.attr, int):
            return None
        placed = e.attr if isinstance(e.attr, Placement) else place(e)
        if isinstance(placed, Expr):
            return placed
        return load(slots.number(placed), placed.dtype, [flat_index(e.args, placed)])

    return substitute(root, replace)


def collapse(domain: Sequence[Axis], stores: Sequence[Store]) -> tuple[list[Axis], list[Store]]:
    """Merge neighbouring axes (outer, inner) of the domain that every flat index walks as outer * extent + inner."""
    axes, current = [a for a in domain if a.extent != 1], without_units(stores, domain)
    i = 0
    while i + 1 < len(axes):
        outer, inner = axes[i], axes[i + 1]
        merged = _merge_in_stores(outer, inner, current)
        if merged is None:
            i += 1
            continue
        axes[i : i + 2], current = [merged[0]], merged[1]
    return axes, current


def collapse_reductions(stores: Sequence[Store]) -> list[Store]:
    """The same for the axes of each reduce."""

    def replace(e: Expr) -> Expr | None:
        if e.op != "reduce":
            return None
        kind, axes = e.attr
        kept, body = [a for a in axes if a.extent != 1], e.args[0]
        dropped = {a: ex.const(0, DType.I64) for a in axes if a.extent == 1}
        body = ex.substitute_axes(body, dropped) if dropped else body
        i = 0
        while i + 1 < len(kept):
            found = _merge(kept[i], kept[i + 1], [body])
            if found is None:
                i += 1
                continue
            kept[i : i + 2], body = [found[0]], found[1][0]
        return ex.reduce(kind, kept, body)

    return [Store(s.slot, s.index, substitute(s.value, replace)) for s in stores]


def _merge_in_stores(outer: Axis, inner: Axis, stores: Sequence[Store]) -> tuple[Axis, list[Store]] | None:
    found = _merge(outer, inner, [s.value for s in stores], [s.index[0] for s in stores])
    if found is None:
        return None
    merged, values, indices = found
    return merged, [Store(s.slot, (i,), v) for s, i, v in zip(stores, indices, values)]


def _merge(
    outer: Axis, inner: Axis, values: Sequence[Expr], indices: Sequence[Expr] = ()
) -> tuple[Axis, list[Expr], list[Expr]] | None:
    """Replace outer * extent(inner) + inner by one axis everywhere. None if the two axes are also used separately."""
    merged = fresh_axis(outer.extent * inner.extent, "m")
    flat: dict[Expr, Expr] = {}
    for index in (*indices, *(i for v in values for e in walk(v) if e.op == "load" for i in e.args)):
        form = linear(index)
        if form is None:
            if index in indices:
                return None
            continue
        a, b = form.coefficients.get(outer, 0), form.coefficients.get(inner, 0)
        if a != b * inner.extent:
            return None
        flat[index] = _from_linear(form, outer, inner, merged, b)
    for value in values:  # any use of the two axes outside those indices prevents the merge
        if any(e.op == "axis" and e.attr in (outer, inner) for e in _outside(value)):
            return None
    return merged, [_replace_indices(v, flat) for v in values], [flat[i] for i in indices]


def _outside(root: Expr) -> list[Expr]:
    """The nodes of an expression that are not part of a linear index of a load."""
    seen: set[Expr] = set()
    result: list[Expr] = []

    def visit(e: Expr) -> None:
        if e in seen:
            return
        seen.add(e)
        result.append(e)
        for a in e.args:
            if e.op != "load" or linear(a) is None:
                visit(a)

    visit(root)
    return result


def _replace_indices(root: Expr, flat: Mapping[Expr, Expr]) -> Expr:
    done: dict[Expr, Expr] = {}

    def visit(e: Expr) -> Expr:
        if e in done:
            return done[e]
        is_load = e.op == "load"
        args = tuple(flat[a] if is_load and a in flat else visit(a) for a in e.args)
        new = e if all(x is y for x, y in zip(args, e.args)) else ex.rebuild(e, args)
        done[e] = new
        return new

    return visit(root)


def _from_linear(form: Linear, outer: Axis, inner: Axis, merged: Axis, stride: Dim) -> Expr:
    total = ex.dim(form.constant)
    terms = {a: c for a, c in form.coefficients.items() if a not in (outer, inner)}
    if stride != 0:
        terms[merged] = stride
    for a, c in terms.items():
        total = total + axis(a) * ex.dim(c)
    return total


def without_units(stores: Sequence[Store], axes: Sequence[Axis]) -> list[Store]:
    """The same stores with 0 in place of every axis of extent 1."""
    zero = {a: ex.const(0, DType.I64) for a in axes if a.extent == 1}
    return [_substituted(s, zero) for s in stores] if zero else list(stores)


def _substituted(store: Store, values: dict[Axis, Expr]) -> Store:
    return Store(
        store.slot,
        tuple(ex.substitute_axes(i, values) for i in store.index),
        ex.substitute_axes(store.value, values),
    )
