"""Convolutions that follow one another as one chain: the expansion, depthwise and projection of a MobileNet.

    for each strip of rows of the last result:  every convolution does the rows that the next one reads

What they hand on stays in a core's cache, with the zeros that the next one reads around it. Rows that two strips read
are computed twice. Each element is the sum that it is without the chain, so no bit differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.dims import Dim
from burnish.kernels.strips import Between, Pads, Rows, Strip
from burnish.kernels.task import Chain, Contraction, Loops, Stage
from burnish.lower.buffers import Buffers, row_gap
from burnish.lower.convolution import convolution_body, is_depthwise, lower_convolution, phases
from burnish.lower.epilogue import Place
from burnish.lower.kernels import Slots, loops_of, merged
from burnish.lower.placement import Placement, dense_strides
from burnish.lower.quantised import pad_of
from burnish.lower.strips.chain import parts_of, with_alignment
from burnish.lower.strips.cut import Moves, cut
from burnish.lower.strips.runs import Link, Run
from burnish.lower.wants import needed_zeros
from burnish.ops.language import expr as ex
from burnish.ops.language.expr import Axis, Expr, substitute, substitute_axes

CHANNELS_LAST = (0, 2, 3, 1)


@dataclass(frozen=True)
class Handed:
    """What a link hands on. place: as if all rows of all images lay there; pitch: elements from row to row."""

    place: Placement
    between: Between
    pitch: int


def lower_run(
    run: Run, x: Placement, into: Placement, order: Sequence[int], buffers: Buffers, place: Place
) -> tuple[Chain, Slots] | None:
    """The chain; None where something that is fused into a link has no rows that follow the result's.

    x: the input of the first link, with the zeros around it. order: the axes of the result from outer to inner
    """
    links, slots = run.links, Slots()
    handed = [
        handed_on(-1 - n, link, following, rows)
        for n, (link, following, rows) in enumerate(zip(links, links[1:], run.rows))
    ]
    places = [x, *(h.place for h in handed), into]
    stages: list[Stage] = []
    for n, (link, rows) in enumerate(zip(links, run.rows)):
        is_last = n == len(links) - 1
        found = _stage(link, places[n], places[n + 1], order if is_last else CHANNELS_LAST, rows, buffers, place)
        if found is None:
            return None
        kernel, own, moves = found
        begins = [_begin(p, m, n, handed, len(links)) for p, m in zip(own.placements, moves)]
        parts = tuple(parts_of(own, begins, slots))
        stages.append(with_alignment(Stage(_of_strip(kernel, own, handed), parts)))
    images, height = links[-1].form.shape[0], links[-1].height
    strips = (Strip(images, 1, images - 1), Strip(-(-height // run.rows[-1]), run.rows[-1], height - run.rows[-1]))
    return Chain(slots.flat, tuple(stages), strips, tuple(h.between for h in handed), tuple(_rows(run))), slots


def handed_on(storage: int, link: Link, following: Link, rows: int) -> Handed:
    """Rows of a link's result, channels last, with the zeros that the next one reads around them."""
    _, channels, _, width = link.form.shape
    (top, bottom), (left, right) = needed_zeros(following.form)
    padded = (1, int(channels), top + rows + bottom, left + int(width) + right)  # type: ignore[arg-type]
    dtype = link.root.dtype
    gap = row_gap(padded, CHANNELS_LAST, dtype)
    _, one, pitch, step = (int(s) for s in dense_strides((1, padded[1] + gap, *padded[2:]), CHANNELS_LAST))  # type: ignore[arg-type]
    row, pixel = pitch * dtype.size_bytes, step * dtype.size_bytes
    inner = top * row + left * pixel
    pads = (
        Pads(0, inner),
        Pads(inner + int(width) * pixel, (left + right) * pixel, rows, row),  # type: ignore[arg-type]
        Pads((top + rows) * row, bottom * row),
    )
    size = padded[2] * row + left * pixel  # the last row's zeros go on where a next row would begin
    fill = (pad_of(following.form) or 0) & 0xFF
    place = Placement(storage, dtype, link.form.shape, (0, one, pitch, step), top * pitch + left * step)
    return Handed(place, Between(size, tuple(p for p in pads if p.size_bytes), fill), pitch)


def _stage(
    link: Link, x: Placement, into: Placement, order: Sequence[int], rows: int, buffers: Buffers, place: Place
) -> tuple[Loops | Contraction, Slots, tuple[Moves, ...]] | None:
    """The link's kernel on so many rows of one image, and the moves of its slots."""
    if is_depthwise(link.form):
        nest, slots = _loops(link, x, into, order, buffers, place)
        found = cut(nest, link.body.axes[0], link.body.axes[2], rows)
        if found is None:
            return None
        assert isinstance(found.kernel, Loops)
        return merged(found.kernel), slots, found.moves
    (phase,) = phases(link.form)
    whole, slots = lower_convolution(
        link.template, link.form, phase, link.body, x, into, buffers, place, in_kernel=False
    )
    found = cut(whole, Axis("p0", link.form.shape[0]), Axis("p2", phase[0].count), rows)
    return None if found is None else (found.kernel, slots, found.moves)


def _loops(
    link: Link, x: Placement, into: Placement, order: Sequence[int], buffers: Buffers, place: Place
) -> tuple[Loops, Slots]:
    """A depthwise convolution and what is fused behind it."""

    def value(e: Expr) -> Expr | None:
        if e.op != "load" or e.attr is not link.template:
            return None
        return convolution_body(link.form, x, buffers, e.args)

    units = {a: ex.const(0, ex.axis(a).dtype) for a in link.body.axes if a.extent == 1}
    return loops_of(link.body.axes, substitute_axes(substitute(link.body.expr, value), units), order, into, place)


def _begin(
    place: Placement, moves: Moves, number: int, handed: Sequence[Handed], links: int
) -> tuple[Dim, tuple[Dim, ...]]:
    """Offset and moves of a slot of link `number`; of what is handed on, from its first row on this strip."""
    image, row = moves
    found: list[Dim] = [0] * (links + 1)
    found[_coordinate(number, links)] = row
    if place.storage >= 0:
        found[0] = image
        return 0, tuple(found)
    owner = -1 - place.storage
    at = _coordinate(owner, links)
    found[at] = found[at] - handed[owner].pitch
    return place.offset, tuple(found)


def _coordinate(link: int, links: int) -> int:
    """The number of the coordinate at which a link's rows begin: 0 is the image, 1 the last link's row."""
    return links - link


def _rows(run: Run) -> list[Rows]:
    """The first row of each link, from the last but one to the first."""
    links, count = run.links, len(run.links)
    return [
        Rows(
            _coordinate(n + 1, count),
            links[n + 1].form.strides[0],
            -links[n + 1].form.pads_begin[0],
            links[n].height - run.rows[n],
        )
        for n in range(count - 2, -1, -1)
    ]


def _of_strip(kernel: Loops | Contraction, own: Slots, handed: Sequence[Handed]) -> Loops | Contraction:
    """The kernel, whose slots of what is handed on are as long as that is."""
    slots = []
    for slot, place in zip(kernel.slots, own.placements):
        if place.storage < 0:
            size = handed[-1 - place.storage].between.size_bytes // slot.dtype.size_bytes
            slot = replace(slot, shape=(size,))
        slots.append(slot)
    return replace(kernel, slots=tuple(slots))
