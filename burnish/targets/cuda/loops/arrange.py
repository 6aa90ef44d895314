"""Arranges a loops kernel for its template: puts its domain in memory order, and assigns axes to parts of the tile.

columns   the last axes of the domain, as one: neighbours in memory where results are stored
rows      the axes before them, as one; or only the axis `across`, along which a transposed operand is contiguous
scalars   the remaining axes: one value in each program
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from burnish.dims import known, product
from burnish.kernels.facts import Facts
from burnish.kernels.merge_axes import prepare
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, Expr, axis, linear, substitute_axes, walk

WINDOW = 64  # steps of a window, at most


@dataclass(frozen=True)
class Groups:
    """columns_in_grid: each program has one block of columns. There is then no row reduction that each would repeat."""

    scalars: tuple[Axis, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    columns_in_grid: bool


@lru_cache(maxsize=256)
def arranged(kernel: Loops) -> Loops:
    """The kernel with simple indexes over few axes, from outer to inner in the memory order of the first store."""
    store = kernel.stores[0]
    steps = Facts(kernel.slots).address(store.slot, store.index).form.coefficients
    strides = [steps.get(a, 0) for a in kernel.domain]
    if all(isinstance(s, int) for s in strides):
        order = sorted(range(len(strides)), key=lambda n: (-abs(known(strides[n])), n))
        kernel = Loops(kernel.slots, tuple(kernel.domain[n] for n in order), kernel.stores)
    return prepare(kernel)


def repeatable(kernel: Loops) -> Axis | None:
    """The axis along which neighbouring results share input of their windows: the last axis before the columns."""
    serial = [e for e in reductions(kernel) if e not in row_reductions(kernel, kernel.domain[-1:])]
    return kernel.domain[-2] if serial and len(kernel.domain) >= 2 else None


def has_windows(kernel: Loops, along: Axis) -> bool:
    """Is there a reduction of few steps that moves along the same memory as `along`?"""
    for e in reductions(kernel):
        steps = product(a.extent for a in e.attr[1])
        if (
            isinstance(steps, int)
            and 2 <= steps <= WINDOW
            and any(_overlaps(x, along, e.attr[1]) for x in walk(e.args[0]))
        ):
            return True
    return False


def _overlaps(index: Expr, along: Axis, axes: tuple[Axis, ...]) -> bool:
    """Does the reduction move the index at least as far as one step of `along` does?"""
    form = linear(index) if index.op in ("add", "sub") else None
    if form is None:
        return False
    step = form.coefficients.get(along, 0)
    reach = [form.coefficients[a] * (a.extent - 1) for a in axes if a in form.coefficients]
    return isinstance(step, int) and any(isinstance(n, int) and 0 < step <= n for n in reach)


def repeated(kernel: Loops, times: int) -> Loops:
    """The kernel with `times` neighbouring results along the repeatable axis at each index; each has its own stores."""
    old = repeatable(kernel)
    if old is None or times == 1:
        return kernel
    new = Axis(old.name, old.extent // times)
    stores = []
    for n in range(times):
        place = {old: axis(new) * times + n}
        for s in kernel.stores:
            index = tuple(substitute_axes(e, place) for e in s.index)
            stores.append(Store(s.slot, index, substitute_axes(s.value, place)))
    return Loops(kernel.slots, tuple(new if a == old else a for a in kernel.domain), tuple(stores))


def groups_of(kernel: Loops, columns: int, across: int) -> Groups:
    """Split an arranged kernel's domain: the last `columns` axes, and the axis with number `across` (-1: all others;
    -2: no axis, because reductions lie in the rows)."""
    cut = len(kernel.domain) - columns
    inner, outer = kernel.domain[cut:], kernel.domain[:cut]
    rows = (kernel.domain[across],) if across >= 0 else outer if across == -1 else ()
    scalars = tuple(a for a in outer if a not in rows)
    return Groups(scalars, rows, inner, not row_reductions(kernel, inner))


def reductions(kernel: Loops) -> list[Expr]:
    """Every reduction, inner ones first."""
    return list(dict.fromkeys(e for s in kernel.stores for e in walk(s.value) if e.op == "reduce"))


def row_reductions(kernel: Loops, columns: tuple[Axis, ...]) -> list[Expr]:
    """Reductions that are the same in all columns."""
    facts = Facts(kernel.slots)
    return [e for e in reductions(kernel) if not facts.free(e) & set(columns)] if columns else []
