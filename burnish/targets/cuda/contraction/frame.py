"""The frame of a contraction's kernel: which tile a program has, and where its pixels and columns lie.

Names in the text: place, the tile's number in the grid; group0 ..., the groups' counters; row, the tile's pixels, and
pixel0 ..., their counters along each run ([m]); start0 ..., the counters of a copied tile's first pixel; column0, the
first column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from burnish.dims import Dim, ceildiv, product
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Run, Shape, analyse
from burnish.kernels.task import Contraction
from burnish.ops.language.expr import Axis
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.contraction.axes import (
    Coordinate,
    Reduction,
    copied_a,
    copied_b,
    pixel_count,
    pixels_of,
    reduction_of,
)
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.expressions.emitter import Lines, Place, Sizes
from burnish.targets.cuda.source import Parameter, Pointer, TensorMap

FAR = 1 << 31


@dataclass
class Frame:
    """A kernel, its tile, and the text written so far."""

    kernel: Contraction
    tile: Tile
    target: Target
    sizes: Sizes = field(default_factory=Sizes)
    lines: Lines = field(default_factory=Lines)
    indent: int = 1
    parameters: dict[str, Parameter] = field(default_factory=dict)
    slice: tuple[str, int] | None = None  # the epilogue's rows: which slice of the tile's, and how many
    which: int = 0  # product of the sum

    def of(self, which: int) -> Frame:
        """The same text, seen from another product of the sum."""
        return self if which == self.which else replace(self, which=which)

    @cached_property
    def product(self) -> Contraction:
        """The product by itself."""
        return self.kernel.alone(self.which)

    @property
    def operands(self) -> tuple[int, int]:
        """The slots of A and B."""
        term = self.kernel.terms[self.which]
        return term.a, term.b

    def named(self, name: str) -> str:
        """A name of the product's own."""
        return f"{name}_{self.which}" if self.which else name

    @cached_property
    def shape(self) -> Shape:
        return analyse(self.kernel, self.which)

    @cached_property
    def pixels(self) -> tuple[Run, ...]:
        return pixels_of(self.shape)

    @cached_property
    def reduction(self) -> Reduction:
        return reduction_of(self.product, self.shape, self.tile.k, self.tile.flat)

    @cached_property
    def a_axes(self) -> tuple[Coordinate, ...] | None:
        """A's tensor map, in the copy form."""
        return copied_a(self.product, self.shape) if self.tile.is_copied else None

    @cached_property
    def b_axes(self) -> tuple[Coordinate, ...] | None:
        """B's tensor map, in the copy form, where B is not packed."""
        return copied_b(self.product, self.shape) if self.tile.is_copied else None

    @property
    def overlaps(self) -> bool:
        return self.target.capability >= 90

    @cached_property
    def is_wide(self) -> bool:
        """Might an offset need more than 31 bits?"""
        return not all(_is_near(s.shape, s.strides) for s in self.kernel.slots)

    @cached_property
    def box(self) -> tuple[int, ...]:
        """Pixels of a tile along each pixel run; one number for all where they are flattened."""
        return self.tile.box if len(self.pixels) > 1 and self.tile.is_copied else (self.tile.m,)

    @property
    def boxes_along(self) -> tuple[Dim, ...]:
        """Tiles along each pixel run, or along all of them together."""
        if len(self.box) == 1:
            return (ceildiv(pixel_count(self.shape), self.tile.m),)
        return tuple(ceildiv(r.extent, b) for r, b in zip(self.pixels, self.box, strict=True))

    @property
    def row_tiles(self) -> Dim:
        return product(self.boxes_along)

    @property
    def column_tiles(self) -> Dim:
        return ceildiv(self.kernel.n.extent, self.tile.n)

    @property
    def tiles(self) -> Dim:
        return self.shape.group_count * self.row_tiles * self.column_tiles

    @property
    def programs(self) -> int:
        """Of a persistent grid."""
        return chip_of(self.target).processors * self.tile.persistent

    # -- text -----------------------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.lines.add(self.indent, text)

    def number(self, dim: Dim) -> str:
        return self.sizes.text(dim)

    def count(self, dim: Dim) -> str:
        """A number of tiles, pixels, steps ...: always in i32."""
        found = self.sizes.value(dim)
        return found.text if found.kind == "int32" else f"{found.text}.to(tl.int32)"

    def scaled(self, index: str, factor: Dim) -> str:
        """index * factor; in i64 where offsets may need it."""
        wide = f"({index}).to(tl.int64)" if self.is_wide else index
        return wide if factor == 1 else f"{wide} * {self.number(factor)}"

    def pointer(self, slot: int) -> str:
        """The name of a slot's pointer, which becomes a parameter."""
        name = f"slot{slot}"
        found = self.kernel.slots[slot]
        self.parameters.setdefault(name, Pointer(name, slot, found.dtype, found.aligned))
        return name

    def tensor_map(self, name: str, slot: int, axes: Sequence[Coordinate], box: Sequence[int], offset: Dim = 0) -> str:
        """The name of a tensor map, which becomes a parameter."""
        shape, strides = tuple(c.extent for c in axes), tuple(c.stride for c in axes)
        steps = tuple(c.step if c.pixel is not None else 1 for c in axes)
        dtype = self.kernel.slots[slot].dtype
        self.parameters[name] = TensorMap(name, slot, dtype, shape, strides, tuple(box), steps, offset)
        return name


def write_place(f: Frame) -> None:
    """Which tile: the groups' counters, row_tile and column_tile, from `place`."""
    per_group = f.row_tiles * f.column_tiles
    if f.shape.groups:
        f.line(f"group = place // {f.count(per_group)}")
        f.line(f"place_in_group = place % {f.count(per_group)}")
        write_counters(
            f, "group", [r.extent for r in f.shape.groups], [f"group{i}" for i in range(len(f.shape.groups))]
        )
    place = "place_in_group" if f.shape.groups else "place"
    columns = f.count(f.column_tiles)
    if f.column_tiles == 1:
        f.line(f"row_tile = {place}")
        f.line("column0 = 0")
        return
    if f.tile.band == 1:
        f.line(f"row_tile = {place} // {columns}")
        f.line(f"column0 = {place} % {columns} * {f.tile.n}")
        return
    band = f.tile.band
    f.line(f"band = {place} // ({band} * {columns})")
    f.line(f"in_band = {place} % ({band} * {columns})")
    f.line(f"band_rows = tl.minimum({f.count(f.row_tiles)} - band * {band}, {band})")
    f.line(f"row_tile = band * {band} + in_band % band_rows")
    f.line(f"column0 = in_band // band_rows * {f.tile.n}")


def write_starts(f: Frame) -> None:
    """start0 ...: the first value of each pixel run in a copied tile."""
    counts = f.boxes_along
    names = [f"start{i}" for i in range(len(counts))]
    write_counters(f, "row_tile", counts, names)
    for name, width in zip(names, f.box, strict=True):
        if width > 1:
            f.line(f"{name} = {name} * {width}")


def write_pixels(f: Frame, inside: bool = False) -> None:
    """pixel0 ..., row_exists: the counters of the tile's pixels, [m]; after `write_starts` in the copy form.

    inside: rows that do not exist are the last one, so that they can be read (flattened pixels only)
    """
    runs = f.pixels
    whole = f"tl.arange(0, {f.tile.m})"
    f.line(f"row = {f'{f.slice[0]} * {f.slice[1]} + tl.arange(0, {f.slice[1]})' if f.slice else whole}")
    if len(f.box) > 1:
        write_counters(f, "row", f.box, [f"pixel{i}" for i in range(len(runs))])
        for i, width in enumerate(f.box):
            f.line(f"pixel{i} = start{i} + {f'pixel{i}' if width > 1 else 'row * 0'}")
        tests = [f"(pixel{i} < {f.count(r.extent)})" for i, r in enumerate(runs) if not _divides(f.box[i], r.extent)]
        if tests:
            f.line(f"row_exists = {' & '.join(tests)}")
        return
    f.line(f"row = row_tile * {f.tile.m} + row")
    if rows_have_tail(f) and inside:
        f.line(f"row = tl.minimum(row, {f.count(pixel_count(f.shape))} - 1)")
    elif rows_have_tail(f):
        f.line(f"row_exists = row < {f.count(pixel_count(f.shape))}")
    write_counters(f, "row", [r.extent for r in runs], [f"pixel{i}" for i in range(len(runs))])


def rows_have_tail(f: Frame) -> bool:
    """Are there pixels in a tile that do not exist?"""
    if len(f.box) > 1:
        return not all(_divides(b, r.extent) for b, r in zip(f.box, f.pixels, strict=True))
    return not _divides(f.tile.m, pixel_count(f.shape))


def columns_have_tail(f: Frame) -> bool:
    """Are there columns in a tile that do not exist?"""
    return not _divides(f.tile.n, f.kernel.n.extent)


def write_counters(f: Frame, flat: str, extents: Sequence[Dim], names: Sequence[str]) -> None:
    """Take a flat counter apart, outer to inner; the outermost is not reduced, so what lies beyond stays beyond."""
    rest = flat
    for i in range(len(names) - 1, -1, -1):
        if i == 0:
            f.line(f"{names[0]} = {rest}")
            return
        size = f.count(extents[i])
        f.line(f"{names[i]} = {rest} % {size}")
        rest = f"({rest} // {size})" if i > 1 else f"{rest} // {size}"


def write_places(f: Frame) -> dict[Axis, Place]:
    """Every axis of the epilogue: groups scalars, pixels along dimension 0 of the tile, columns along 1."""
    found = {x: Place("0") for x in f.shape.ones}
    masked = "row_is" if rows_have_tail(f) else ""
    if masked:
        f.line("row_is = row_exists[:, None]")
    for i, run in enumerate(f.shape.groups):
        found |= _places_of(run, Place(f"group{i}"))
    for i, run in enumerate(f.pixels):
        f.line(f"at{i} = pixel{i}[:, None]")
        found |= _places_of(run, Place(f"at{i}", frozenset({0}), masked))
    f.line(f"column = column0 + tl.arange(0, {f.tile.n})[None, :]")
    if columns_have_tail(f):
        f.line(f"column_is = column < {f.count(f.kernel.n.extent)}")
    found[f.kernel.n] = Place("column", frozenset({1}), "column_is" if columns_have_tail(f) else "")
    return found


def _places_of(run: Run, place: Place) -> dict[Axis, Place]:
    """The innermost axis counts; addresses are linear, so the others are 0."""
    return {**{x: Place("0") for x in run.axes[:-1]}, **dict.fromkeys(run.axes[-1:], place)}


def _divides(block: int, extent: Dim) -> bool:
    return isinstance(extent, int) and extent % block == 0


def _is_near(shape: Sequence[Dim], strides: Sequence[Dim]) -> bool:
    total = 0
    for n, s in zip(shape, strides, strict=True):
        if not isinstance(n, int) or not isinstance(s, int):
            return False
        total += n * abs(s)
    return total < FAR


def accumulator_kind(dtype: DType) -> str:
    """The Triton type of the sums."""
    return {"f64": "float64", "f32": "float32", "i64": "int64", "u64": "uint64", "u32": "uint32"}.get(
        dtype.value, "int32"
    )
