"""Kernels that follow one another become one chain, which works strip by strip.

The kernels are lowered for one strip, with axes of their own for where the strip begins (`Along`). Those axes are taken
out of every index again: what is left is the first strip, and their factors are how far each slot moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Chain, Contraction, Kernel, Loops, Stage, Store, Strip
from burnish.lower.buffers import row_gap
from burnish.lower.kernels import Slots
from burnish.lower.placement import Placement, dense_strides
from burnish.ops.language.expr import Axis, Expr, free_axes, linear, load, substitute, walk


@dataclass(frozen=True, slots=True)
class Along:
    """The coordinate at which a strip begins, as an axis in the stages' indices, and the strips along it."""

    axis: Axis
    strip: Strip


Moves = dict[int, tuple[Dim, ...]]


def intermediate(number: int, shape: Sequence[int]) -> Placement:
    """The place of a chain's intermediate of f32 rows: [..., row], rows kept apart in the cache."""
    spaced = (*shape[:-1], shape[-1] + row_gap(shape, range(len(shape)), DType.F32))
    return Placement(-1 - number, DType.F32, tuple(shape), dense_strides(spaced))


def chain_of(stages: Sequence[tuple[Kernel, Slots]], along: Sequence[Along]) -> tuple[Chain, Slots] | None:
    """The chain of the stages, or None where a strip is no shift of another: a slot that moves in two ways."""
    slots, moves = Slots(), Moves()
    found, between = list[Stage](), dict[int, int]()
    for kernel, own in stages:
        assert isinstance(kernel, Loops | Contraction)
        places = []
        for p in own.placements:
            if p.storage < 0:
                between[p.storage] = _bytes(p)
            places.append(p.storage if p.storage < 0 else slots.number(p))
        slots.written |= {places[n] for n in own.written if places[n] >= 0}
        first = _first_strip(kernel, places, along, moves)
        if first is None:
            return None
        found.append(Stage(first, tuple(places)))
    still = (0,) * len(along)
    steps = tuple(moves.get(n, still) for n in range(len(slots.placements)))
    aligned = tuple(_stage_with_alignment(s, slots, steps) for s in found)
    sizes = tuple(between[n] for n in sorted(between, reverse=True))
    return Chain(slots.flat, aligned, tuple(a.strip for a in along), steps, sizes), slots


def _first_strip(
    kernel: Loops | Contraction, places: Sequence[int], along: Sequence[Along], moves: Moves
) -> Loops | Contraction | None:
    """The kernel without the strips' axes. `moves` gets what each slot of the chain moves by; None if that differs."""
    problems: list[str] = []

    def taken(slot: int, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
        found = [_without(e, along) for e in index]
        steps = tuple(sum((f[1][n] for f in found if f), start=0) for n in range(len(along)))
        if None in found or moves.setdefault(places[slot], steps) != steps:
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


def _stage_with_alignment(stage: Stage, slots: Slots, moves: Sequence[tuple[Dim, ...]]) -> Stage:
    """The stage whose slots promise no more than holds where any strip begins."""
    own: list[Slot] = []
    for slot, place in zip(stage.kernel.slots, stage.places):
        if place >= 0:
            size = slot.dtype.size_bytes
            steps = [m * size if isinstance(m, int) else size for m in moves[place]]
            slot = replace(slot, aligned=math.gcd(slot.aligned, *steps))
        own.append(slot)
    return replace(stage, kernel=replace(stage.kernel, slots=tuple(own)))


def _bytes(place: Placement) -> int:
    span = place.slot.span
    assert isinstance(span, int), "an intermediate has a size that is known"
    return span * place.dtype.size_bytes
