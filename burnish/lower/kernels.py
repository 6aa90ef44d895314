"""From expressions over tensors to kernels over slots.

A load of a placed tensor becomes a load of a one-dimensional slot at a flat index, the sum of axis * stride.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish.dims import Dim
from burnish.kernels.merge_axes import merge_axes
from burnish.kernels.name_axes import canonical
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Loops, Store
from burnish.lower.placement import Placement
from burnish.ops.language import expr as ex
from burnish.ops.language.expr import Axis, Expr, Linear, axis, from_linear, linear, load, substitute


@dataclass(eq=False)
class Slots:
    """Numbers the placements that a kernel touches. Those that begin and end together share a slot.

    An index from data is clamped into its slot, so a part of a tensor is no slot for the whole of it.
    """

    placements: list[Placement] = field(default_factory=list)
    written: set[int] = field(default_factory=set)

    def number(self, placement: Placement) -> int:
        for i, p in enumerate(self.placements):
            if p == placement or _extent(p) == _extent(placement):
                return i
        self.placements.append(placement)
        return len(self.placements) - 1

    @property
    def flat(self) -> tuple[Slot, ...]:
        return tuple(Slot(p.dtype, (p.slot.span,), (1,), p.aligned) for p in self.placements)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        return tuple(p.binding for p in self.placements)


def _extent(placement: Placement) -> tuple[object, ...]:
    return placement.storage, placement.offset, placement.dtype, placement.slot.ends


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
    total = from_linear(Linear({a: c for a, c in coefficients.items() if c != 0}, constant))
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


def loops_of(
    axes: Sequence[Axis], value: Expr, order: Sequence[int], into: Placement, place: Callable[[Expr], Placement | Expr]
) -> tuple[Loops, Slots]:
    """into[axes] = value, for every index. order: the axes from outer to inner."""
    slots = Slots()
    value = bind_loads(value, place, slots)
    slot = slots.number(into)
    slots.written.add(slot)
    index = flat_index([axis(a) for a in axes], into)
    return Loops(slots.flat, tuple(axes[a] for a in order), (Store(slot, (index,), value),)), slots


def merged(kernel: Loops) -> Loops:
    """The kernel over as few axes as possible, with the names that equal work shares."""
    few = merge_axes(kernel, are_last=True)
    return Loops(kernel.slots, *canonical(few.domain or [Axis("i0", 1)], few.stores))
