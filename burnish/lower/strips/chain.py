"""Kernels that follow one another become one chain, which works strip by strip.

The kernels are lowered for one strip, with axes of their own for where the strip begins (`Along`). Those axes are taken
out of every index again: what is left is the first strip, and their factors are how far each slot moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.strips import Between, Part, Strip
from burnish.kernels.task import Chain, Contraction, Kernel, Loops, Stage, Store
from burnish.lower.buffers import row_gap
from burnish.lower.kernels import Slots
from burnish.lower.placement import Placement, dense_strides
from burnish.ops.language.expr import Axis, Expr, free_axes, linear, load, substitute, walk


@dataclass(frozen=True, slots=True)
class Along:
    """The coordinate at which a strip begins, as an axis in the stages' indices, and the strips along it."""

    axis: Axis
    strip: Strip


def intermediate(number: int, shape: Sequence[int]) -> Placement:
    """The place of a chain's intermediate of f32 rows: [..., row], rows kept apart in the cache."""
    spaced = (*shape[:-1], shape[-1] + row_gap(shape, range(len(shape)), DType.F32))
    return Placement(-1 - number, DType.F32, tuple(shape), dense_strides(spaced))


def chain_of(stages: Sequence[tuple[Kernel, Slots]], along: Sequence[Along]) -> tuple[Chain, Slots] | None:
    """The chain of the stages, or None where a strip is no shift of another: a slot that moves in two ways."""
    slots, found, between = Slots(), list[Stage](), dict[int, Between]()
    for kernel, own in stages:
        assert isinstance(kernel, Loops | Contraction)
        moves = dict[int, tuple[Dim, ...]]()
        first = _first_strip(kernel, along, moves)
        if first is None:
            return None
        between |= {p.storage: Between(_bytes(p)) for p in own.placements if p.storage < 0}
        steps = [moves.get(n, (0,) * len(along)) for n in range(len(own.placements))]
        parts = tuple(parts_of(own, [(0, m) for m in steps], slots))
        found.append(with_alignment(Stage(first, parts)))
    sizes = tuple(between[n] for n in sorted(between, reverse=True))
    return Chain(slots.flat, tuple(found), tuple(a.strip for a in along), sizes), slots


def parts_of(own: Slots, begins: Sequence[tuple[Dim, tuple[Dim, ...]]], slots: Slots) -> Iterator[Part]:
    """What the slots of a stage are. begins: offset and moves of each; slots: those of the chain, which get its own."""
    for number, (place, (offset, moves)) in enumerate(zip(own.placements, begins)):
        slot = place.storage if place.storage < 0 else slots.number(place)
        if slot >= 0 and number in own.written:
            slots.written.add(slot)
        yield Part(slot, moves, offset)


def _first_strip(
    kernel: Loops | Contraction, along: Sequence[Along], moves: dict[int, tuple[Dim, ...]]
) -> Loops | Contraction | None:
    """The kernel without the strips' axes. `moves` gets what each slot moves by; None if that differs."""
    problems: list[str] = []

    def taken(slot: int, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        found = [_without(e, along) for e in index]
        steps = tuple(sum((f[1][n] for f in found if f), start=0) for n in range(len(along)))
        if None in found or moves.setdefault(slot, steps) != steps:
            problems.append("it moves in another way")
        return tuple(f[0] if f else e for f, e in zip(found, index))

    def replace_load(e: Expr) -> Expr | None:
        if e.op != "load":
            return None
        return load(e.attr, e.dtype, list(taken(e.attr, e.args)))

    stores = tuple(Store(s.slot, taken(s.slot, s.index), substitute(s.value, replace_load)) for s in kernel.stores)
    strip_axes = {a.axis for a in along}
    left = any(strip_axes & free_axes(e) for s in stores for e in (*s.index, *walk(s.value)))
    return None if problems or left else replace(kernel, stores=stores)


def _without(index: Expr, along: Sequence[Along]) -> tuple[Expr, list[Dim]] | None:
    """An index less its terms in the strips' axes, and their factors; None if they are not linear."""
    strip_axes = {a.axis for a in along}
    kept: list[Expr] = []
    factors: list[Dim] = [0] * len(along)
    for term in _terms(index):
        if not strip_axes & free_axes(term):
            kept.append(term)
            continue
        form = linear(term)
        if form is None or form.constant != 0 or not set(form.coefficients) <= strip_axes:
            return None
        for n, a in enumerate(along):
            factors[n] = factors[n] + form.coefficients.get(a.axis, 0)
    if not kept:
        return index * 0, factors
    total = kept[0]
    for term in kept[1:]:
        total = total + term
    return total, factors


def _terms(e: Expr) -> list[Expr]:
    return [t for a in e.args for t in _terms(a)] if e.op == "add" else [e]


def with_alignment(stage: Stage) -> Stage:
    """The stage whose slots promise no more than holds where any strip begins."""
    own: list[Slot] = []
    for slot, part in zip(stage.kernel.slots, stage.parts):
        size = slot.dtype.size_bytes
        steps = [m * size if isinstance(m, int) else size for m in (part.offset, *part.moves)]
        own.append(replace(slot, aligned=math.gcd(slot.aligned, *steps)))
    return replace(stage, kernel=replace(stage.kernel, slots=tuple(own)))


def _bytes(place: Placement) -> int:
    span = place.slot.span
    assert isinstance(span, int), "an intermediate has a size that is known"
    return span * place.dtype.size_bytes
