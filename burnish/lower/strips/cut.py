"""A strip of a kernel: the same work on some rows of one image, and how far its slots move from strip to strip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.facts import flatten
from burnish.kernels.merge_axes import walks_of
from burnish.kernels.task import Contraction, Loops, Store
from burnish.ops.language.expr import Axis, axis, const, free_axes, substitute_axes, walk

Moves = tuple[Dim, Dim]


@dataclass(frozen=True)
class Cut:
    """kernel: on the first rows of the first image. moves: of each slot, from image to image and from row to row."""

    kernel: Loops | Contraction
    moves: tuple[Moves, ...]


def cut(kernel: Loops | Contraction, image: Axis, row: Axis, rows: int) -> Cut | None:
    """Cut `rows` rows of one image out of a kernel of whole images; None if its strips are no shifts of each other.

    image, row: the kernel's axes; an axis that it does not have does not move anything
    """
    if {image, row} & walks_of(kernel.slots, kernel.stores).as_numbers:
        return None
    found: list[Moves | None] = [None] * len(kernel.slots)
    for slot, moves in _moves(kernel, image, row):
        if moves is None or found[slot] not in (None, moves):
            return None
        found[slot] = moves
    short = Axis(row.name, rows)
    values = {image: const(0, DType.I64), row: axis(short)}
    stores = tuple(
        Store(s.slot, tuple(substitute_axes(i, values) for i in s.index), substitute_axes(s.value, values))
        for s in kernel.stores
    )
    known = tuple(moves or (0, 0) for moves in found)
    if isinstance(kernel, Loops):
        return Cut(Loops(kernel.slots, _shortened(kernel.domain, image, row, short), stores), known)
    strides = tuple((short if a == row else a, s) for a, s in kernel.a_strides if a != image)
    pixels = _shortened(kernel.pixels, image, row, short)
    return Cut(replace(kernel, pixels=pixels, a_strides=strides, stores=stores), known)


def _moves(kernel: Loops | Contraction, image: Axis, row: Axis) -> Iterator[tuple[int, Moves | None]]:
    """What each access to a slot moves by; None if that is no number of elements."""
    if isinstance(kernel, Contraction):
        a, b = dict(kernel.a_strides), dict(kernel.b_strides)
        yield 0, (a.get(image, 0), a.get(row, 0))
        yield 1, None if image in b or row in b else (0, 0)
    accesses = [(s.slot, s.index) for s in kernel.stores]
    accesses += [(e.attr, e.args) for s in kernel.stores for e in walk(s.value) if e.op == "load"]
    for slot, index in accesses:
        address = flatten(kernel.slots[slot], index)
        is_line = not any({image, row} & free_axes(atom) for atom, _ in address.atoms)
        steps = address.form.coefficients
        yield slot, (steps.get(image, 0), steps.get(row, 0)) if is_line else None


def _shortened(axes: Sequence[Axis], image: Axis, row: Axis, short: Axis) -> tuple[Axis, ...]:
    return tuple(short if a == row else a for a in axes if a != image) or (short,)
