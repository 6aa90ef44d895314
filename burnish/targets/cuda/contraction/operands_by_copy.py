"""Operands of a contraction by the copy engine: tensor maps, whose zeros beyond the ends are the padding.

A's map has an axis for each contraction_shape.Coordinate; a box is some pixels along each pixel run, one of all other
axes, and k channels. B is [groups, n, k] (packed so), or [groups, k, n] where a product's operand lies so.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.dims import Dim
from burnish.targets.cuda.contraction.axes import Coordinate
from burnish.targets.cuda.contraction.frame import Frame, write_counters

BOX_EXTENT = 256  # a box's largest extent along one axis, before steps
LARGEST_STEP = 8  # of a copy that takes every n-th element of an axis


def box_of(axes: Sequence[Coordinate], f: Frame, last: int) -> tuple[int, ...]:
    """The box of A, or of a tile of the epilogue: pixels along the pixel runs, `last` along the last axis."""
    widths = {id(r): n for r, n in zip(f.pixels, f.box)}
    return (*(widths.get(id(c.pixel), 1) if c.pixel is not None else 1 for c in axes[:-1]), last)


def write_maps(f: Frame) -> None:
    """Before the loop: the maps become parameters."""
    assert f.a_axes is not None
    f.tensor_map(f.named("map_a"), f.operands[0], f.a_axes, box_of(f.a_axes, f, f.tile.k))
    axes = b_axes(f)
    sides = {0: f.tile.n, 1: f.tile.k}
    last_two = (1, 0) if is_depth_first(f) else (0, 1)
    f.tensor_map(f.named("map_b"), f.operands[1], axes, (*(1 for _ in axes[:-2]), *(sides[s] for s in last_two)))


def b_axes(f: Frame) -> Sequence[Coordinate]:
    """B's map: as it is packed, or as it lies."""
    if not f.product.packed:
        assert f.b_axes is not None
        return f.b_axes
    depth, columns = f.reduction.packed_depth, f.kernel.n.extent
    groups: list[Coordinate] = []
    if f.shape.groups:
        groups.append(Coordinate(f.shape.group_count, columns * depth))
    return (*groups, Coordinate(columns, depth), Coordinate(depth, 1))


def is_depth_first(f: Frame) -> bool:
    """Does B lie as [k, n]?"""
    return not f.product.packed and f.b_axes is not None and f.b_axes[-1].tap is None


def write_copies(f: Frame, step: str) -> None:
    """In the loop, at a step of the product: a [m, k], and b [n, k] or [k, n]."""
    assert f.a_axes is not None
    taps, channel = f.reduction.taps, f.reduction.channel
    if taps:
        chunks: Dim = f.reduction.padded_channels // f.tile.k
        f.line(f"tap = {step} // {f.count(chunks)}" if chunks != 1 else f"tap = {step}")
        write_counters(f, "tap", [t.extent for t in taps], [f"tap{i}" for i in range(len(taps))])
        f.line(f"channel = {step} % {f.count(chunks)} * {f.tile.k}" if chunks != 1 else "channel = 0")
    else:
        f.line(f"channel = {step} * {f.tile.k}")
    places = ", ".join(_place(f, c, channel is c.tap) for c in f.a_axes)
    f.line(f"a = {f.named('map_a')}.load([{places}]).reshape({f.tile.m}, {f.tile.k})")
    _write_b(f, step)


def _write_b(f: Frame, step: str) -> None:
    if f.product.packed:
        groups = ["group"] if f.shape.groups else []
    else:
        groups = [f"group{i}" for i in range(len(f.shape.groups))]
    if is_depth_first(f):
        places, shape = [*groups, f"{step} * {f.tile.k}", "column0"], (f.tile.k, f.tile.n)
    else:
        places, shape = [*groups, "column0", f"{step} * {f.tile.k}"], (f.tile.n, f.tile.k)
    f.line(f"b = {f.named('map_b')}.load([{', '.join(places)}]).reshape({shape[0]}, {shape[1]})")


def _place(f: Frame, c: Coordinate, is_channel: bool) -> str:
    """Where the tile's box begins along one axis of A."""
    if is_channel:
        return "channel"
    terms: list[str] = []
    if c.pixel is not None:
        name = counter_of(f, c)
        terms.append(name if c.step == 1 else f"{name} * {c.step}")
    if c.tap is not None:
        name = f"tap{next(i for i, t in enumerate(f.reduction.taps) if t is c.tap)}"
        terms.append(name if c.dilation == 1 else f"{name} * {c.dilation}")
    if c.first != 0 or not terms:
        terms.append(str(c.first))
    return " + ".join(terms)


def counter_of(f: Frame, c: Coordinate) -> str:
    """The name of a group's counter, or of a pixel run's first value in the tile."""
    for i, run in enumerate(f.shape.groups):
        if run is c.pixel:
            return f"group{i}"
    return f"start{next(i for i, run in enumerate(f.pixels) if run is c.pixel)}"


def write_prefetch(f: Frame, first: str, last: str) -> None:
    """Ask for packed B into L2, a line of 128 bytes at a time, before waiting for other launches.

    The programs of a column's pixels share its lines, and a program's threads those of a few columns.
    """
    depth, size = f.reduction.packed_depth, f.product.slots[1].dtype.size_bytes
    assert isinstance(depth, int) and isinstance(f.kernel.n.extent, int)
    line = 128 // size
    many = max(1, 32 * f.tile.warps // f.tile.n)
    start = f"group.to(tl.int64) * {f.kernel.n.extent * depth}" if f.shape.groups else "0"
    f.line(f"ahead_row = tl.minimum(column0 + tl.arange(0, {f.tile.n}), {f.kernel.n.extent - 1}).to(tl.int64)[:, None]")
    f.line(f"ahead = {f.pointer(f.operands[1])} + {start} + ahead_row * {depth} + {first} * {f.tile.k}")
    f.line(f"ahead_lines = tl.cdiv(({last} - {first}) * {f.tile.k}, {line})")
    f.line(f"for ahead_line in range(row_tile * {many}, ahead_lines, {f.count(f.row_tiles * many)}):")
    f.line(f"    ahead_lane = tl.minimum(ahead_line + tl.arange(0, {many}), ahead_lines - 1)[None, :]")
    f.line(f"    prefetch(ahead + ahead_lane * {line})")
