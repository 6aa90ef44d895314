"""Where a program's tile lies: its place in the grid, its rows (pixels) and its columns.

Each writer returns the names that it made: `Place` for the tile, `Rows` for its pixels. Rows are computed again where
they are needed again, so that they hold no registers in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.dims import Dim
from burnish.targets.cuda.contraction.axes import Coordinate, pixel_count
from burnish.targets.cuda.contraction.tiling import Product, Tiling, is_whole
from burnish.targets.cuda.text import KernelText, Name


@dataclass(frozen=True, slots=True)
class Place:
    """The tile of a program.

    number  of the tile in the grid;  row_tile: among those of one group and column;  column: the tile's first one
    group   of the tile, where there are several, and its counters along each of the group runs
    """

    number: Name
    row_tile: Name
    column: Name
    group: Name | None = None
    groups: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """A tile's pixels, all of them [m]. pixels: their counters along each run; exists: None if all of them do."""

    row: Name
    pixels: tuple[Name, ...]
    exists: Name | None


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the tile's rows: slice `number` of so many rows."""

    number: Name
    rows: int


def write_place(text: KernelText, tiling: Tiling, number: Name) -> Place:
    """The tile of this number in the grid."""
    group: Name | None = None
    groups: tuple[Name, ...] = ()
    place = number
    if tiling.shape.groups:
        per_group = text.count(tiling.row_tiles * tiling.column_tiles)
        group = text.let("group", f"{number} // {per_group}")
        place = text.let("place_in_group", f"{number} % {per_group}")
        groups = write_counters(text, group, [r.extent for r in tiling.shape.groups], "group")
    columns = text.count(tiling.column_tiles)
    if tiling.column_tiles == 1:
        row_tile = text.let("row_tile", place)
        return Place(number, row_tile, text.let("column0", "0"), group, groups)
    if tiling.tile.band == 1:
        row_tile = text.let("row_tile", f"{place} // {columns}")
        return Place(number, row_tile, text.let("column0", f"{place} % {columns} * {tiling.tile.n}"), group, groups)
    width = tiling.tile.band
    band = text.let("band", f"{place} // ({width} * {columns})")
    in_band = text.let("in_band", f"{place} % ({width} * {columns})")
    rows = text.let("band_rows", f"tl.minimum({text.count(tiling.row_tiles)} - {band} * {width}, {width})")
    row_tile = text.let("row_tile", f"{band} * {width} + {in_band} % {rows}")
    return Place(number, row_tile, text.let("column0", f"{in_band} // {rows} * {tiling.tile.n}"), group, groups)


def write_starts(text: KernelText, tiling: Tiling, place: Place) -> tuple[Name, ...]:
    """The first value of each pixel run in a copied tile."""
    boxes = write_counters(text, place.row_tile, tiling.boxes_along, "start")
    pairs = zip(boxes, tiling.box, strict=True)
    return tuple(text.let(f"start{i}", f"{n} * {width}") if width > 1 else n for i, (n, width) in enumerate(pairs))


def write_rows(
    text: KernelText,
    tiling: Tiling,
    place: Place,
    starts: Sequence[Name],
    inside: bool = False,
    part: Slice | None = None,
    order: str = "",
) -> Rows:
    """The tile's rows.

    starts  of a copied tile, see `write_starts`
    inside  rows that do not exist are the last one, so that they can be read (flattened pixels only)
    part    these rows alone
    order   their numbers in the tile, if not 0, 1 ...
    """
    every = order or f"tl.arange(0, {tiling.tile.m})"
    row = text.let("row", every if part is None else f"{part.number} * {part.rows} + tl.arange(0, {part.rows})")
    if len(tiling.box) > 1:
        return _write_box(text, tiling, row, starts)
    row = text.let("row", f"{place.row_tile} * {tiling.tile.m} + {row}")
    exists = None
    if tiling.rows_have_tail and inside:
        row = text.let("row", f"tl.minimum({row}, {text.count(pixel_count(tiling.shape))} - 1)")
    elif tiling.rows_have_tail:
        exists = text.let("row_exists", f"{row} < {text.count(pixel_count(tiling.shape))}")
    return Rows(row, write_counters(text, row, [r.extent for r in tiling.pixels], "pixel"), exists)


def _write_box(text: KernelText, tiling: Tiling, row: Name, starts: Sequence[Name]) -> Rows:
    """Rows of a tile that is a box of pixels."""
    inner = write_counters(text, row, tiling.box, "pixel")
    pixels = tuple(
        text.let(f"pixel{i}", f"{start} + {counter if width > 1 else f'{row} * 0'}")
        for i, (start, counter, width) in enumerate(zip(starts, inner, tiling.box, strict=True))
    )
    ends = zip(pixels, tiling.pixels, tiling.box, strict=True)
    tests = [f"({pixel} < {text.count(r.extent)})" for pixel, r, width in ends if not is_whole(width, r.extent)]
    return Rows(row, pixels, text.let("row_exists", " & ".join(tests)) if tests else None)


def write_counters(text: KernelText, flat: str, extents: Sequence[Dim], stem: str) -> tuple[Name, ...]:
    """Split a flat counter, outer to inner. The outermost part is not reduced: a counter beyond the end stays so."""
    found: list[Name] = []
    rest = flat
    for i in range(len(extents) - 1, 0, -1):
        size = text.count(extents[i])
        found.append(text.let(f"{stem}{i}", f"{rest} % {size}"))
        rest = f"({rest} // {size})" if i > 1 else f"{rest} // {size}"
    if extents:
        found.append(text.let(f"{stem}0", rest))
    return tuple(found[::-1])


def counter_of(product: Product, place: Place, starts: Sequence[Name], c: Coordinate) -> Name:
    """The counter of a group, or a pixel run's first value in a copied tile."""
    runs, names = (*product.shape.groups, *product.pixels), (*place.groups, *starts)
    return next(name for run, name in zip(runs, names, strict=True) if run is c.pixel)


def scaled(text: KernelText, tiling: Tiling, index: str, factor: Dim) -> str:
    """index * factor; in i64 where offsets may need it."""
    wide = f"({index}).to(tl.int64)" if tiling.is_wide else index
    return wide if factor == 1 else f"{wide} * {text.number(factor)}"
