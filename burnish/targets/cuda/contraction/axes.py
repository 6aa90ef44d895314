"""A contraction as CUDA kernels see it: its pixels, its sum, and its memory as the copy engine sees it.

    acc[p, n] = sum_k A[p, k] * B[k, n]         p: the pixel runs, flattened;  k: taps, then channels

channel  the innermost reduce run; the others are taps (those of a convolution's kernel)
form     how k is cut into steps.  chunks: each step has `block` channels of one tap (a tap's last chunk may be part),
         so that a tap's place is a number;  flat: a step is any `block` of taps x channels, where channels are few
axes     the axes of a tensor map, outer to inner: coordinate = first + step*pixel + dilation*tap
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, ceildiv, divisor, floordiv, product
from burnish.kernels.contraction_runs import Run, Shape
from burnish.kernels.facts import flatten
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction
from burnish.ops.language.expr import Axis, Expr

MAP_RANK = 5  # axes of a tensor map
MAP_BYTES = 16  # its strides and its address are multiples of these bytes
NOTHING = Run((), 1, 0, 0)
SINGLE = Run((), 1, 16, 0)  # the one pixel of a product with a vector; its stride has no effect


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One axis of a tensor map: first + step * pixel + dilation * tap; outside [0, extent) copies read zero."""

    extent: Dim
    stride: Dim
    pixel: Run | None = None
    step: int = 1
    tap: Run | None = None
    dilation: int = 1
    first: int = 0


@dataclass(frozen=True, slots=True)
class Reduction:
    """How k is cut: taps (outer to inner) and channels, in steps of `block`."""

    taps: tuple[Run, ...]
    channel: Run
    block: int
    is_flat: bool

    @property
    def padded_channels(self) -> Dim:
        """Channels of a tap in packed memory."""
        return self.channel.extent if self.is_flat else ceildiv(self.channel.extent, self.block) * self.block

    @property
    def tap_count(self) -> Dim:
        return product(t.extent for t in self.taps)

    @property
    def depth(self) -> Dim:
        """K, without padding."""
        return self.tap_count * self.channel.extent

    @property
    def steps(self) -> Dim:
        """Steps of the k loop."""
        if self.is_flat:
            return ceildiv(self.depth, self.block)
        return self.tap_count * ceildiv(self.channel.extent, self.block)

    @property
    def packed_depth(self) -> Dim:
        """Elements of k in packed memory: all that the steps read."""
        return self.steps * self.block


def reduction_of(kernel: Contraction, shape: Shape, block: int, flat: bool = False) -> Reduction:
    """The cut of k in steps of `block`; with one run, flat and chunks are the same.

    A run of a window is never the channel run; with a single channel there is no channel run.
    """
    moved = {x for w in kernel.windows for x, _ in w.steps}
    *taps, channel = shape.reduce or (NOTHING,)
    if moved & set(channel.axes):
        taps, channel = list(shape.reduce), NOTHING
    return Reduction(tuple(taps), channel, block, flat and bool(taps))


def pixels_of(shape: Shape) -> tuple[Run, ...]:
    """The pixel runs, at least one."""
    return shape.pixels or (SINGLE,)


def pixel_count(shape: Shape) -> Dim:
    """M: pixels of one group."""
    return product(r.extent for r in shape.pixels)


def copied_a(kernel: Contraction, shape: Shape) -> tuple[Coordinate, ...] | None:
    """A's axes as a tensor map, outer to inner, the contiguous channels last; None where it cannot be one."""
    if not shape.reduce or shape.reduce[-1].a_stride != 1:
        return None
    windows = _window_coordinates(kernel, shape)
    if windows is None:
        return None
    used = {id(r) for c in windows for r in (c.pixel, c.tap) if r is not None}
    free = [r for r in pixels_of(shape) if id(r) not in used]
    found = [Coordinate(r.extent, r.a_stride, r) for r in shape.groups if r.a_stride != 0] + windows
    for tap in (t for t in shape.reduce[:-1] if id(t) not in used):
        partner = _partner(tap, free)
        if partner is None:
            found.append(Coordinate(tap.extent, tap.a_stride, tap=tap))
        else:
            assert partner.pixel is not None
            found.append(partner)
            free = [r for r in free if r is not partner.pixel]
    found += [Coordinate(r.extent, r.a_stride, r) for r in free]
    order = {id(r): i for i, r in enumerate(pixels_of(shape))}
    found.sort(key=lambda c: order.get(id(c.pixel), -1))  # a box's pixels lie as the tile's rows do
    channel = shape.reduce[-1]
    every = (*found, Coordinate(channel.extent, 1, tap=channel))
    return every if can_be_copied(every, kernel.slots[0]) else None


def copied_b(kernel: Contraction, shape: Shape) -> tuple[Coordinate, ...] | None:
    """B's axes where it is not packed: [groups..., n, k] or [groups..., k, n], whichever is contiguous."""
    if kernel.packed or len(shape.reduce) != 1:
        return None
    groups = [Coordinate(r.extent, r.b_stride, r) for r in shape.groups]
    columns = Coordinate(shape.n.extent, shape.n_stride)
    depth = Coordinate(shape.reduce[0].extent, shape.reduce[0].b_stride, tap=shape.reduce[0])
    every = (*groups, columns, depth) if depth.stride == 1 else (*groups, depth, columns)
    return every if can_be_copied(every, kernel.slots[1]) else None


def copied_tile(shape: Shape, slot: Slot, index: Sequence[Expr]) -> tuple[tuple[Coordinate, ...], Dim] | None:
    """An epilogue's access as a tensor map over [groups..., pixels..., n], and its offset in elements."""
    strides, offset = address(slot, index)
    if strides is None or strides.get(shape.n, 0) != 1:
        return None
    runs = (*shape.groups, *pixels_of(shape))
    if set(strides) - {shape.n, *shape.ones, *(a for r in runs for a in r.axes)}:
        return None
    every = (*(Coordinate(r.extent, _stride_of(r, strides), r) for r in runs), Coordinate(shape.n.extent, 1))
    if not is_multiple(offset * slot.dtype.size_bytes, MAP_BYTES):
        return None
    return (every, offset) if can_be_copied(every, slot) else None


def can_be_copied(axes: Sequence[Coordinate], slot: Slot) -> bool:
    """Does the copy engine take a tensor map of these axes?"""
    size = slot.dtype.size_bytes
    if not 2 <= len(axes) <= MAP_RANK or slot.aligned % MAP_BYTES or axes[-1].stride != 1 or size > 4:
        return False
    return all(_is_forward(c.stride) and is_multiple(c.stride * size, MAP_BYTES) for c in axes[:-1])


def address(slot: Slot, index: Sequence[Expr]) -> tuple[dict[Axis, Dim] | None, Dim]:
    """(stride of each axis, offset) of a linear access, in elements; (None, 0) for any other."""
    found = flatten(slot, index)
    return (None, 0) if found.atoms else (found.form.coefficients, found.form.constant)


def is_multiple(dim: Dim, of: int) -> bool:
    """Does it hold for all values of the symbols?"""
    return divisor(dim) % of == 0


def _stride_of(run: Run, strides: Mapping[Axis, Dim]) -> Dim:
    return strides.get(run.axes[-1], 0) if run.axes else run.a_stride


def _is_forward(stride: Dim) -> bool:
    return stride > 0 if isinstance(stride, int) else all(c > 0 for _, c in stride.terms)


def _window_coordinates(kernel: Contraction, shape: Shape) -> list[Coordinate] | None:
    """One coordinate a window; None where a window moves with more than one pixel axis or more than one tap."""
    found = []
    for window in kernel.windows:
        pixels = [(r, s) for r, s in _runs_in(shape.pixels, window.steps)]
        taps = [(r, s) for r, s in _runs_in(shape.reduce[:-1], window.steps)]
        if len(pixels) > 1 or len(taps) > 1 or len(pixels) + len(taps) != len(window.steps):
            return None
        pixel, step = pixels[0] if pixels else (None, 1)
        tap, dilation = taps[0] if taps else (None, 1)
        if step < 1:
            return None
        found.append(Coordinate(window.extent, window.stride, pixel, step, tap, dilation, window.first))
    return found


def _runs_in(runs: Sequence[Run], steps: Sequence[tuple[Axis, int]]) -> Iterator[tuple[Run, int]]:
    for axis, step in steps:
        yield from ((r, step) for r in runs if axis in r.axes)


def _partner(tap: Run, pixels: Sequence[Run]) -> Coordinate | None:
    """The pixel run that walks the same axis of memory as a tap, in whole steps, and both as one coordinate."""
    best: Coordinate | None = None
    for pixel in pixels:
        found = _together(pixel, tap)
        if found is not None and (best is None or _size(found.stride) > _size(best.stride)):
            best = found
    return best


def _together(pixel: Run, tap: Run) -> Coordinate | None:
    """step * pixel + dilation * tap, if their strides have a common unit that is no smaller than a tap's half."""
    stride: Dim
    if isinstance(pixel.a_stride, int) and isinstance(tap.a_stride, int):
        stride = math.gcd(pixel.a_stride, tap.a_stride)
        if min(pixel.a_stride, tap.a_stride) <= 0 or max(pixel.a_stride, tap.a_stride) // stride > 8:
            return None
        step, dilation = pixel.a_stride // stride, tap.a_stride // stride
    else:
        stride, dilation = tap.a_stride, 1
        ratio = floordiv(pixel.a_stride, tap.a_stride)
        if not isinstance(ratio, int) or ratio < 1:
            return None
        step = ratio
    extent = (pixel.extent - 1) * step + (tap.extent - 1) * dilation + 1
    return Coordinate(extent, stride, pixel, step, tap, dilation)


def _size(dim: Dim) -> int:
    """A stride for comparisons only: a symbolic stride counts as an outer one."""
    return dim if isinstance(dim, int) else 1 << 62
