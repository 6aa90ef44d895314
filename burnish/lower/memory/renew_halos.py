"""Zeros around large tensors are written anew in each run, so that tensors of other shapes may use the same bytes.

    conv 1 > [16,64,226,226]   conv 2 > [16,64,226,226]   conv 3 > [16,32,226,226]        each with its halo

Halos that are written once, when shapes are bound, must stay for the life of the arena: those three would lie side by
side, though two of them at a time are alive. A launch before the tensor's first one that writes its halo costs its few
bytes and a barrier. So it is done only where the arena becomes smaller by much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from burnish.dims import Dim, evaluate
from burnish.dtypes import DType
from burnish.kernels.task import Launch, Program, Step
from burnish.lower.buffers import Halo
from burnish.lower.kernels import loops_of, merged
from burnish.lower.memory.lifetimes import lifetimes_of, storages_by_step
from burnish.lower.memory.plan_arena import Lifetime, plan_arena
from burnish.lower.placement import Placement
from burnish.ops.language import expr as ex
from burnish.ops.language.expr import Expr, fresh_axis

LEAST_SAVED_BYTES = 16 << 20  # of the arena
MOST_GROWTH = 1.02  # of the smallest arena: halos of tensors that save less stay


def renew_halos(program: Program, halos: Mapping[Placement, Halo]) -> Program:
    """The program with launches for the halos that are worth it.

    halos: the tensors that have one, each in a storage of its own
    """
    padded = {place.storage: place for place in halos}
    renewed = _worth_renewing(lifetimes_of(program), padded.keys() & _begun_by_launches(program.steps))
    if not renewed:
        return program
    names = {s.number: s.name for s in program.storages}
    steps: list[Step] = []
    left = set(renewed)
    for step in program.steps:
        for storage in sorted(left & _touched(step)):
            left.remove(storage)
            place = padded[storage]
            fill = program.fills.get(storage, 0)
            steps += _launches(place, halos[place], fill, names[storage], program.sizes)
        steps.append(step)
    kept = {n: text for n, text in program.geometry.items() if n not in renewed}
    fills = {n: byte for n, byte in program.fills.items() if n not in renewed}
    return replace(program, steps=tuple(steps), geometry=kept, fills=fills)


def _worth_renewing(lifetimes: Sequence[Lifetime], possible: set[int]) -> set[int]:
    """Storages whose halos are to be renewed: as few as give the arena nearly its smallest size."""

    def size(renewed: set[int]) -> int:
        return plan_arena(
            [replace(x, geometry="", fill=0) if x.storage in renewed else x for x in lifetimes]
        ).size_bytes

    kinds: dict[tuple[int, str], list[Lifetime]] = {}
    for x in lifetimes:
        if x.storage in possible and x.geometry:
            kinds.setdefault((x.fill, x.geometry), []).append(x)
    if not kinds:
        return set()
    renewed = {x.storage for group in kinds.values() for x in group}
    smallest = size(renewed)
    if size(set()) - smallest < LEAST_SAVED_BYTES:
        return set()
    for group in sorted(kinds.values(), key=lambda group: (sum(x.size_bytes for x in group), group[0].storage)):
        fewer = renewed - {x.storage for x in group}
        if size(fewer) <= smallest * MOST_GROWTH:
            renewed = fewer
    return renewed


def _begun_by_launches(steps: Sequence[Step]) -> set[int]:
    """The storages whose first step is a launch that writes them, outside of branches."""
    seen, found = set[int](), set[int]()
    for step in steps:
        touched = _touched(step) - seen
        seen |= touched
        if isinstance(step, Launch):
            found |= touched & {step.bindings[n].storage for n in step.writes}
    return found


def _touched(step: Step) -> set[int]:
    """The storages of a step, those of a branch's sides included."""
    return set[int]().union(*storages_by_step([step]))


def _launches(place: Placement, halo: Halo, fill: int, name: str, sizes: Mapping[str, int]) -> Iterator[Launch]:
    """A launch for each axis with a halo; two where the halo is not the same on both sides."""
    value = ex.const(fill - 256 if fill > 127 and place.dtype is DType.I8 else fill, place.dtype)
    outer_first = sorted(range(len(place.shape)), key=lambda a: -_step(place.strides[a], sizes))
    for position, a in enumerate(outer_first):
        for part in _sides(place, halo, a, outer_first[position + 1 :]):
            axes = [fresh_axis(n, "h") for n in part.shape]
            order = sorted(range(len(axes)), key=lambda i: -_step(part.strides[i], sizes))
            kernel, slots = loops_of(axes, value, order, part, _no_loads)
            yield Launch(merged(kernel), slots.bindings, tuple(slots.written), f"{name}/halo", (), (None,), False)


def _sides(place: Placement, halo: Halo, a: int, inner: Sequence[int]) -> Iterator[Placement]:
    """What lies before and after the tensor along one axis; along inner axes their halos are part of it.

    Where both sides are as thick, they are one placement with one more axis.
    """
    before, after = halo[a]
    shape, strides, offset = list(place.shape), place.strides, place.offset
    for i in inner:
        shape[i] = shape[i] + halo[i][0] + halo[i][1]
        offset = offset - halo[i][0] * strides[i]
    first, second = offset - before * strides[a], offset + place.shape[a] * strides[a]
    if before == after and before:
        whole = (2, *shape[:a], before, *shape[a + 1 :])
        yield Placement(place.storage, place.dtype, whole, (second - first, *strides), first)
        return
    for thick, start in ((before, first), (after, second)):
        if thick:
            yield Placement(place.storage, place.dtype, (*shape[:a], thick, *shape[a + 1 :]), strides, start)


def _step(stride: Dim, sizes: Mapping[str, int]) -> int:
    return evaluate(stride, {name: max(n, 1) for name, n in sizes.items()})


def _no_loads(load: Expr) -> Placement:
    raise AssertionError(f"a halo is no load: {load}")
