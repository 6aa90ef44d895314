"""Operands of a contraction by the copy engine: tensor maps, whose zeros beyond the ends are the padding.

A's map has an axis for each `axes.Coordinate`; a box is some pixels along each pixel run, one of all other axes, and k
channels. B is [groups, n, k] (packed so), or [groups, k, n] where a product's operand lies so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cuda.contraction.axes import Coordinate
from burnish.targets.cuda.contraction.multiply import read_as
from burnish.targets.cuda.contraction.operands import Loaded
from burnish.targets.cuda.contraction.places import Place, counter_of, write_counters
from burnish.targets.cuda.contraction.tiling import Product, Tiling
from burnish.targets.cuda.text import Function, KernelText, Name

BOX_EXTENT = 256  # a box's largest extent along one axis, before steps
LARGEST_STEP = 8  # of a copy that takes every n-th element of an axis
PREFETCH = Function(
    "prefetch",
    """
@triton.jit
def prefetch(pointers):
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.b32 $0, 0;", "=r,l", [pointers], dtype=tl.int32, is_pure=False, pack=1
    )
""",
)


@dataclass(frozen=True, slots=True)
class Copies:
    """The operands of one product: see `Operands`. a, b: their maps; starts: of the tile, see `write_starts`."""

    tiling: Tiling
    product: Product
    a: Name
    b: Name
    place: Place
    starts: tuple[Name, ...]

    def load(self, text: KernelText, step: str) -> Loaded:
        """a [m, k], and b [n, k] or [k, n]."""
        product = self.product
        taps: tuple[Name, ...] = ()
        if product.reduction.taps:
            chunks: Dim = product.reduction.padded_channels // product.tile.k
            tap = text.let("tap", f"{step} // {text.count(chunks)}" if chunks != 1 else step)
            taps = write_counters(text, tap, [r.extent for r in product.reduction.taps], "tap")
            channel = text.let("channel", f"{step} % {text.count(chunks)} * {product.tile.k}" if chunks != 1 else "0")
        else:
            channel = text.let("channel", f"{step} * {product.tile.k}")
        places = ", ".join(self._at(c, taps, channel) for c in product.a_axes)
        a = text.let("a", f"{self.a}.load([{places}]).reshape({product.tile.m}, {product.tile.k})")
        return Loaded(a, self._load_b(text, step))

    def _load_b(self, text: KernelText, step: str) -> Name:
        product, groups = self.product, list(self.place.groups)
        if product.kernel.packed:
            groups = [self.place.group] if self.place.group else []
        depth = f"{step} * {product.tile.k}"
        if product.is_depth_first:
            places, shape = [*groups, depth, self.place.column], (product.tile.k, product.tile.n)
        else:
            places, shape = [*groups, self.place.column, depth], (product.tile.n, product.tile.k)
        return text.let("b", f"{self.b}.load([{', '.join(places)}]).reshape({shape[0]}, {shape[1]})")

    def _at(self, c: Coordinate, taps: Sequence[Name], channel: Name) -> str:
        """Where the tile's box begins along one axis of A."""
        reduction = self.product.reduction
        if c.tap is reduction.channel:
            return channel
        terms: list[str] = []
        if c.pixel is not None:
            name = counter_of(self.product, self.place, self.starts, c)
            terms.append(name if c.step == 1 else f"{name} * {c.step}")
        if c.tap is not None:
            name = next(n for n, run in zip(taps, reduction.taps, strict=True) if run is c.tap)
            terms.append(name if c.dilation == 1 else f"{name} * {c.dilation}")
        if c.first != 0 or not terms:
            terms.append(str(c.first))
        return " + ".join(terms)


def write_maps(text: KernelText, tiling: Tiling, place: Place, starts: tuple[Name, ...]) -> list[Copies]:
    """Before the loop: the maps become parameters."""
    found = []
    for product in tiling.products:
        kinds = read_as(product, tiling.target)
        box = product.box_of(product.a_axes, tiling.tile.k)
        a = map_of(text, "map_a", product.slots[0], product.a_axes, box, dtype=kinds[0])
        sides = (tiling.tile.k, tiling.tile.n) if product.is_depth_first else (tiling.tile.n, tiling.tile.k)
        box = (*(1 for _ in product.b_axes[:-2]), *sides)
        b = map_of(text, "map_b", product.slots[1], product.b_axes, box, dtype=kinds[1])
        found.append(Copies(tiling, product, a, b, place, starts))
    return found


def map_of(
    text: KernelText,
    stem: str,
    slot: int,
    axes: Sequence[Coordinate],
    box: Sequence[int],
    offset: Dim = 0,
    dtype: DType | None = None,
) -> Name:
    """A tensor map of these axes. dtype: of its elements, if not the slot's."""
    shape, strides = [c.extent for c in axes], [c.stride for c in axes]
    steps = [c.step if c.pixel is not None else 1 for c in axes]
    return text.tensor_map(stem, slot, shape, strides, box, steps, offset, dtype)


def write_prefetch(text: KernelText, tiling: Tiling, product: Product, place: Place, first: str, last: str) -> None:
    """Prefetch packed B into L2, a line of 128 bytes at a time, before waiting for other launches.

    The programs for the pixels of a column divide its lines among them. The threads of a program divide the lines of a
    few columns.
    """
    depth, columns, tile = product.reduction.packed_depth, tiling.kernel.n.extent, tiling.tile
    assert isinstance(depth, int) and isinstance(columns, int), "a packed operand's sizes are known"
    line = 128 // product.dtypes[1].size_bytes
    many = max(1, 32 * tile.warps // tile.n)
    start = f"{place.group}.to(tl.int64) * {columns * depth}" if place.group else "0"
    read = f"tl.minimum({place.column} + tl.arange(0, {tile.n}), {columns - 1})"
    row = text.let("ahead_row", f"{read}.to(tl.int64)[:, None]")
    base = text.pointer(product.slots[1], read_as(product, tiling.target)[1])
    ahead = text.let("ahead", f"{base} + {start} + {row} * {depth} + {first} * {tile.k}")
    lines = text.let("ahead_lines", f"tl.cdiv(({last} - {first}) * {tile.k}, {line})")
    values = f"range({place.row_tile} * {many}, {lines}, {text.count(tiling.row_tiles * many)})"
    with text.loop(text.name("ahead_line"), values) as number:
        lane = text.let("ahead_lane", f"tl.minimum({number} + tl.arange(0, {many}), {lines} - 1)[None, :]")
        text.line(text.call(PREFETCH, f"{ahead} + {lane} * {line}"))
