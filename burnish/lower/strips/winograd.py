"""3x3 convolutions with fewer multiplications: Winograd's F(4x4, 3x3) and F(2x2, 3x3).

    V = Bt d B      each tile of (m+2)^2 inputs d, per channel                        loops
    M = V . U       (m+2)^2 products [tiles, C] x [C, O];  U = G w Gt at build time   a contraction
    Y = At M A      m^2 outputs a tile, then the epilogue                             loops

This needs 9 m^2 / (m+2)^2 times fewer multiplications (4 and 2.25). Tiles at the far edges are moved inwards: they
overlap their neighbours and write the same values again, so no edge code is needed.
Error: F(2x2) that of the direct sum; F(4x4) about ten times that, 1e-5 of the largest value (points 0, +-1, +-2, inf).
The choice is made after fusion and before memory is placed. It uses three kernels of existing kinds: launches over all
tiles, or, where V and M of all tiles would not stay in a cache, a chain that does a strip of tile rows at a time.
Source: Lavin and Gray 2015 (arXiv 1509.09308).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.dims import Dim, bounds, evaluate, product
from burnish.dtypes import DType
from burnish.kernels.merge_axes import without_units
from burnish.kernels.name_axes import canonical
from burnish.kernels.strips import Strip
from burnish.kernels.task import Chain, Contraction, Kernel, Loops, Store
from burnish.lower.buffers import Buffers, Layout, content
from burnish.lower.convolution import with_bias
from burnish.lower.epilogue import Place, store_of
from burnish.lower.kernels import Slots, flat_index
from burnish.lower.placement import Placement
from burnish.lower.scope import Body, is_constant
from burnish.lower.strips.chain import Along, chain_of, intermediate
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import Conv, Tensor
from burnish.ops.language.expr import Axis, Expr, axis

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Transform:
    """The matrices of F(m x m, 3 x 3)."""

    m: int
    bt: Matrix
    g: Matrix
    at: Matrix

    @property
    def points(self) -> int:
        return (self.m + 2) ** 2


F2 = Transform(
    2,
    ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
    ((1, 1, 1, 0), (0, 1, -1, -1)),
)
F4 = Transform(
    4,
    (
        (4, 0, -5, 0, 1, 0),
        (0, -4, -4, 1, 1, 0),
        (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 2, -1, -2, 1, 0),
        (0, 4, 0, -5, 0, 1),
    ),
    (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
    ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
)  # fmt: skip
LEAST_CHANNELS = 32  # in and out: with fewer, launches over all tiles take longer than the sums
LEAST_MEAN_OF_STRIPS = 20  # strips stay in a cache, so that they pay for this harmonic mean of channels in and out
# What the choice between them rests on: flops a core does while a byte of a weight arrives from memory, and flops that
# one element of a transform costs. Both are usual values of current servers; see benchmarks/README.md.
WINOGRAD_FLOP_PER_BYTE = 16
FLOP_PER_ELEMENT = 10
CACHE_BYTES = 1 << 20  # of a core: what is smaller is not worth cutting into strips
MOST_STRIP_BYTES = 2 << 20  # V and M of a strip
FEWEST_TILES, FEWEST_TILES_OF_MUCH = 14, 32  # of a strip, which reads all weights: more if they fill more than a cache
FEWEST_STRIPS = 8  # for the threads to share
MOST_OVERLAP = 1.1


def choose_within(
    form: Conv, opt: Mapping[str, int], ranges: Mapping[str, tuple[int, int]], workspace: int | None, chains: bool
) -> tuple[Transform | None, str]:
    """The best transform whose tiles fit the workspace (None: any), and what to note where a better one does not.

    chains: are chains possible?
    """
    best = choose_transform(form, opt, chains)
    if best is None or workspace is None:
        return best, ""
    needs = {t: scratch_bytes(form, t, ranges, opt if chains else None) for t in (F2, F4)}
    found = choose_transform(form, opt, chains, [t for t, size in needs.items() if size <= workspace])
    if found == best:
        return found, ""
    return found, (
        f"does without Winograd's F({best.m}x{best.m}): its tiles need {needs[best]:,} bytes, and the workspace is "
        f"{workspace:,}"
    )


def choose_transform(
    form: Conv, opt: Mapping[str, int], chains: bool, allowed: Sequence[Transform] = (F2, F4)
) -> Transform | None:
    """F(4x4), F(2x2), or None where the direct sum is cheaper or the only way.

    opt:     the profile's opt value of every symbol; the number of images may be symbolic
    chains:  are chains possible?
    allowed: the transforms to choose from
    """
    extents = (*form.x.shape[1:], *form.shape[1:])
    if form.transposed or form.groups != 1 or form.dtype is not DType.F32 or not is_constant(form.weight):
        return None
    if len(form.strides) != 2 or tuple(form.weight.shape[2:]) != (3, 3) or not all(isinstance(n, int) for n in extents):
        return None
    if (*form.strides, *form.dilations) != (1, 1, 1, 1) or min(*form.pads_begin, *form.pads_end) < 0:
        return None
    images = max(evaluate(form.shape[0], opt), 1)
    channels, outputs, height, width = _sizes(form)
    mixed = channels * outputs
    best, choice = max(18 * images * height * width, 36 * WINOGRAD_FLOP_PER_BYTE) * mixed, None
    for transform in allowed:
        if min(height, width) >= transform.m and _has_channels(form, transform, opt if chains else None):
            tiles = images * -(-height // transform.m) * -(-width // transform.m)
            sums = max(2 * tiles, 4 * WINOGRAD_FLOP_PER_BYTE) * transform.points * mixed
            cost = sums + FLOP_PER_ELEMENT * transform.points * tiles * (channels + outputs)
            if cost < best:
                best, choice = cost, transform
    return choice


def _has_channels(form: Conv, transform: Transform, chained: Mapping[str, int] | None) -> bool:
    """Are there enough channels for what the transforms cost beside the sums?

    chained: the opt value of every symbol, where chains are possible
    measured, two AVX-512 cores: strips over 80 and 160 pixels 1.06x to 2.2x as fast as direct sums from a mean of 20
    on, 0.95x to 1.13x with 16; launches over 20 and 40 pixels 0.4x to 0.8x with means below 24
    """
    channels, outputs, _, _ = _sizes(form)
    if min(channels, outputs) >= LEAST_CHANNELS:
        return True
    is_enough = 2 * channels * outputs >= LEAST_MEAN_OF_STRIPS * (channels + outputs)
    return is_enough and chained is not None and rows_of_strip(form, transform, chained) is not None


def scratch_bytes(
    form: Conv, transform: Transform, ranges: Mapping[str, tuple[int, int]], chained: Mapping[str, int] | None = None
) -> int:
    """Memory for the transformed tiles and their products at the profile's maximum: V and M, or those of a strip.

    chained: the opt value of every symbol, where chains are possible
    """
    channels, outputs, height, width = _sizes(form)
    rows = None if chained is None else rows_of_strip(form, transform, chained)
    of_images = bounds(form.shape[0], ranges)[1] * -(-height // transform.m)
    tiles = (of_images if rows is None else rows) * -(-width // transform.m)
    return DType.F32.size_bytes * transform.points * tiles * (channels + outputs)


def _sizes(form: Conv) -> tuple[int, int, int, int]:
    """Channels in and out, height and width of the output."""
    outputs, height, width = (int(n) for n in form.shape[1:])  # type: ignore[arg-type]
    return int(form.channels), outputs, height, width  # type: ignore[arg-type]


@dataclass(frozen=True)
class Tiling:
    """The tiles of one kernel: its axes, and each tile's image and first row and column."""

    transform: Transform
    axes: tuple[Axis, ...]
    image: Expr
    start: tuple[Expr, Expr]

    @staticmethod
    def whole(form: Conv, transform: Transform) -> Tiling:
        """All tiles of all images."""
        height, width = (int(n) for n in form.shape[2:])  # type: ignore[arg-type]
        m = transform.m
        image, rows, columns = Axis("p0", form.shape[0]), Axis("p1", -(-height // m)), Axis("p2", -(-width // m))
        start = (_start(rows, height, m), _start(columns, width, m))
        return Tiling(transform, (image, rows, columns), axis(image), start)

    @staticmethod
    def strip(form: Conv, transform: Transform, rows: int, along: Sequence[Along]) -> Tiling:
        """A strip of tile rows of one image; `along`: the image, and the strip's first row."""
        width = int(form.shape[3])  # type: ignore[arg-type]
        m = transform.m
        image, first = (axis(a.axis) for a in along)
        row, columns = Axis("p1", rows), Axis("p2", -(-width // m))
        return Tiling(transform, (row, columns), image, (first + axis(row) * m, _start(columns, width, m)))

    @property
    def count(self) -> Dim:
        return product(a.extent for a in self.axes)

    def tile(self) -> Expr:
        """The tile's number."""
        number: Expr = axis(self.axes[0])
        for a in self.axes[1:]:
            number = number * int(a.extent) + axis(a)  # type: ignore[arg-type]
        return number


def rows_of_strip(form: Conv, transform: Transform, opt: Mapping[str, int]) -> int | None:
    """Tile rows of a chain's strip; None where launches over all tiles are better.

    That is so if V and M stay in a cache anyway, if too few tiles share a pass over the weights, or if there are too
    few strips to share out.
    """
    channels, outputs, height, width = _sizes(form)
    m, images = transform.m, max(evaluate(form.shape[0], opt), 1)
    rows, columns = -(-height // m), -(-width // m)
    row_bytes = DType.F32.size_bytes * transform.points * columns * (channels + outputs)
    weights = DType.F32.size_bytes * transform.points * channels * outputs
    least = FEWEST_TILES if weights <= CACHE_BYTES else FEWEST_TILES_OF_MUCH
    if images * rows * row_bytes <= CACHE_BYTES:
        return None
    for each in range(1, height // m + 1):
        strips = -(-rows // each)
        is_even = strips * each <= rows * MOST_OVERLAP
        if is_even and each * columns >= least and each * row_bytes <= MOST_STRIP_BYTES:
            return each if images * strips >= FEWEST_STRIPS else None
    return None


def lower_winograd(
    tensor: Tensor,
    form: Conv,
    transform: Transform,
    body: Body,
    x: Placement,
    into: Placement,
    buffers: Buffers,
    place: Place,
    chained: Mapping[str, int] | None,
) -> list[tuple[str, Kernel, Slots]]:
    """Lower to the three kernels, in order, or to a chain of them. x has the zeros around it that the pads ask for.

    chained: the opt value of every symbol, where chains are possible
    """
    rows = None if chained is None else rows_of_strip(form, transform, chained)
    if rows is not None:
        chain = _lower_chain(tensor, form, transform, rows, body, x, into, buffers, place)
        if chain is not None:
            return [("strips", *chain)]
    tiling = Tiling.whole(form, transform)
    channels, outputs = int(form.channels), int(form.shape[1])  # type: ignore[arg-type]
    points, tiles = transform.points, tiling.count
    v, m = (
        buffers.temporary(f"{tensor.name}/{name}", DType.F32, (points, tiles, width), Layout((0, 1, 2), spread=True))
        for name, width in (("tiles", channels), ("products", outputs))
    )
    weights = buffers.constant((form.weight, "winograd", transform.m), _weights(form, transform), form.weight.name)
    return [
        ("tiles", *_input_tiles(form, tiling, x, v)),
        ("products", *_products(v, weights, m)),
        ("outputs", *_output_tiles(tensor, form, tiling, body, m, into, place)),
    ]


def _lower_chain(
    tensor: Tensor,
    form: Conv,
    transform: Transform,
    rows: int,
    body: Body,
    x: Placement,
    into: Placement,
    buffers: Buffers,
    place: Place,
) -> tuple[Chain, Slots] | None:
    """Lower to one chain, `rows` tile rows at a time. None where the epilogue reads what no strip can be cut from."""
    height, size = int(form.shape[2]), rows * transform.m  # type: ignore[arg-type]
    along = (
        Along(Axis("s0", form.shape[0]), Strip(form.shape[0], 1, form.shape[0] - 1)),
        Along(Axis("s1", height), Strip(-(-height // size), size, height - size)),
    )
    tiling = Tiling.strip(form, transform, rows, along)
    tiles = int(tiling.count)  # type: ignore[arg-type]
    v = intermediate(0, (transform.points, tiles, int(form.channels)))  # type: ignore[arg-type]
    m = intermediate(1, (transform.points, tiles, int(form.shape[1])))  # type: ignore[arg-type]
    weights = buffers.constant((form.weight, "winograd", transform.m), _weights(form, transform), form.weight.name)
    stages = (
        _input_tiles(form, tiling, x, v),
        _products(v, weights, m),
        _output_tiles(tensor, form, tiling, body, m, into, place),
    )
    return chain_of(stages, along)


def _input_tiles(form: Conv, tiling: Tiling, x: Placement, v: Placement) -> tuple[Loops, Slots]:
    channel = Axis("c", form.channels)
    size = tiling.transform.m + 2
    slots = Slots()
    source = slots.number(x)
    top, left = (s - p for s, p in zip(tiling.start, form.pads_begin))

    def element(i: int, j: int) -> Expr:
        return ex.load(source, DType.F32, [flat_index([tiling.image, axis(channel), top + i, left + j], x)])

    values = _both_sides(tiling.transform.bt, [[element(i, j) for j in range(size)] for i in range(size)])
    target = slots.number(v)
    slots.written.add(target)
    stores = []
    for point, value in enumerate(value for row in values for value in row):
        index = flat_index([ex.const(point, DType.I64), tiling.tile(), axis(channel)], v)
        stores.append(Store(target, (index,), value))
    return _loops(slots, [*tiling.axes, channel], stores), slots


def _products(v: Placement, weights: Placement, m: Placement) -> tuple[Contraction, Slots]:
    points, tiles, channels = v.shape
    point, tile, c, n = Axis("p0", points), Axis("p1", tiles), Axis("k0", channels), Axis("n", m.shape[2])
    slots = Slots([v, weights])
    target = slots.number(m)
    slots.written.add(target)
    store = Store(target, (flat_index([axis(point), axis(tile), axis(n)], m),), ex.acc(0, DType.F32))
    a_strides = tuple(zip((point, tile, c), v.strides))
    b_strides = tuple(zip((point, c, n), weights.strides))
    return Contraction(slots.flat, (point, tile), n, (c,), a_strides, b_strides, True, (store,)), slots


def _output_tiles(
    tensor: Tensor, form: Conv, tiling: Tiling, body: Body, m: Placement, into: Placement, place: Place
) -> tuple[Loops, Slots]:
    channel = Axis("c", form.shape[1])
    size = tiling.transform.m + 2
    slots = Slots()
    source = slots.number(m)

    def product(i: int, j: int) -> Expr:
        index = flat_index([ex.const(i * size + j, DType.I64), tiling.tile(), axis(channel)], m)
        return ex.load(source, DType.F32, [index])

    values = _both_sides(tiling.transform.at, [[product(i, j) for j in range(size)] for i in range(size)])
    stores = []
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            index = [tiling.image, axis(channel), tiling.start[0] + i, tiling.start[1] + j]
            result = with_bias(form, value, axis(channel), DType.F32)
            stores.append(store_of(tensor, body, index, result, into, place, slots))
    return _loops(slots, [*tiling.axes, channel], stores), slots


def _loops(slots: Slots, domain: Sequence[Axis], stores: Sequence[Store]) -> Loops:
    axes, renamed = canonical([a for a in domain if a.extent != 1], without_units(stores, domain))
    return Loops(slots.flat, axes, renamed)


def _both_sides(matrix: Matrix, tile: list[list[Expr]]) -> list[list[Expr]]:
    """matrix . tile . matrix^T, one side after the other, so partial sums are shared."""
    left = [[_combine(row, [tile[k][j] for k in range(len(tile))]) for j in range(len(tile))] for row in matrix]
    return [[_combine(row, line) for row in matrix] for line in left]


def _combine(coefficients: Sequence[float], values: Sequence[Expr]) -> Expr:
    total: Expr | None = None
    for factor, value in zip(coefficients, values):
        if factor == 0:
            continue
        if total is None:
            total = value if factor == 1 else -value if factor == -1 else value * factor
        elif abs(factor) == 1:
            total = total + value if factor == 1 else total - value
        else:
            total = total + value * factor
    assert total is not None
    return total


def _weights(form: Conv, transform: Transform) -> np.ndarray[Any, Any]:
    """[point, C, O] in f32, computed in f64."""
    g = np.array(transform.g, np.float64)
    u = np.einsum("ir,ocrs,js->ijco", g, content(form.weight).astype(np.float64), g)
    packed: np.ndarray[Any, Any] = u.reshape(transform.points, *u.shape[2:]).astype(np.float32)
    return packed


def _start(tile: Axis, extent: int, m: int) -> Expr:
    """m * tile, moved inwards where the last tile would leave the image."""
    start = axis(tile) * m
    return start if extent % m == 0 else ex.binary("min", start, extent - m)
