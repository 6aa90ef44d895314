"""A contraction cut into tiles: the facts that are known before any text is written.

`Tiling` is the kernel with its tile, `Product` one product of its sum. Both are data; text goes into a `KernelText`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from burnish.dims import Dim, ceildiv, product
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Run, Shape, analyse
from burnish.kernels.task import Contraction
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

FAR = 1 << 31


@dataclass(frozen=True)
class Product:
    """One product of the sum; `number`: which."""

    whole: Contraction
    tile: Tile
    number: int = 0

    @cached_property
    def kernel(self) -> Contraction:
        """The product by itself."""
        return self.whole.alone(self.number)

    @property
    def slots(self) -> tuple[int, int]:
        """The slots of A and B."""
        term = self.whole.terms[self.number]
        return term.a, term.b

    @property
    def dtypes(self) -> tuple[DType, DType]:
        """Of A and B."""
        return self.kernel.slots[0].dtype, self.kernel.slots[1].dtype

    @cached_property
    def shape(self) -> Shape:
        return analyse(self.whole, self.number)

    @cached_property
    def pixels(self) -> tuple[Run, ...]:
        return pixels_of(self.shape)

    @cached_property
    def box(self) -> tuple[int, ...]:
        """Pixels of a tile along each pixel run; one number for all where they are flattened."""
        return self.tile.box if len(self.pixels) > 1 and self.tile.is_copied else (self.tile.m,)

    @cached_property
    def reduction(self) -> Reduction:
        return reduction_of(self.kernel, self.shape, self.tile.k, self.tile.flat)

    @cached_property
    def a_axes(self) -> tuple[Coordinate, ...]:
        """A's tensor map, in the copy form."""
        found = copied_a(self.kernel, self.shape)
        assert found is not None, "a tile of copies has maps"
        return found

    @cached_property
    def b_axes(self) -> tuple[Coordinate, ...]:
        """B's tensor map, in the copy form: as B is packed, or as it lies."""
        if not self.kernel.packed:
            found = copied_b(self.kernel, self.shape)
            assert found is not None, "a tile of copies has maps"
            return found
        depth, columns = self.reduction.packed_depth, self.kernel.n.extent
        groups = [Coordinate(self.shape.group_count, columns * depth)] if self.shape.groups else []
        return (*groups, Coordinate(columns, depth), Coordinate(depth, 1))

    @property
    def is_depth_first(self) -> bool:
        """Does B lie as [k, n]?"""
        return self.tile.is_copied and not self.kernel.packed and self.b_axes[-1].tap is None

    @property
    def packed_shape(self) -> tuple[int, int]:
        """(columns, elements of each) of packed B: whole tiles, so that no read of it needs a mask."""
        columns, depth = ceildiv(self.kernel.n.extent, self.tile.n) * self.tile.n, self.reduction.packed_depth
        assert isinstance(columns, int) and isinstance(depth, int), "a packed operand's sizes are known"
        return columns, depth

    @property
    def depth_has_tail(self) -> bool:
        """Do some elements of k in a step not exist?"""
        depth = self.reduction.depth if self.reduction.is_flat else self.reduction.channel.extent
        return not is_whole(self.tile.k, depth)

    def box_of(self, axes: Sequence[Coordinate], last: int) -> tuple[int, ...]:
        """The box of A, or of a tile of the epilogue: pixels along the pixel runs, `last` along the last axis."""
        widths = {id(r): n for r, n in zip(self.pixels, self.box)}
        return (*(widths.get(id(c.pixel), 1) if c.pixel is not None else 1 for c in axes[:-1]), last)


@dataclass(frozen=True)
class Tiling:
    """A kernel and its tile. Pixels and groups are those of the first product: all of them have the same."""

    kernel: Contraction
    tile: Tile
    target: Target

    @cached_property
    def products(self) -> tuple[Product, ...]:
        return tuple(Product(self.kernel, self.tile, n) for n in range(len(self.kernel.terms)))

    @property
    def first(self) -> Product:
        return self.products[0]

    @property
    def shape(self) -> Shape:
        return self.first.shape

    @property
    def pixels(self) -> tuple[Run, ...]:
        return self.first.pixels

    @property
    def box(self) -> tuple[int, ...]:
        return self.first.box

    @cached_property
    def is_wide(self) -> bool:
        """Might an offset need more than 31 bits?"""
        return not all(_is_near(s.shape, s.strides) for s in self.kernel.slots)

    @cached_property
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

    @property
    def rows_have_tail(self) -> bool:
        """Do some pixels of a tile not exist?"""
        if len(self.box) > 1:
            return not all(is_whole(b, r.extent) for b, r in zip(self.box, self.pixels, strict=True))
        return not is_whole(self.tile.m, pixel_count(self.shape))

    @property
    def columns_have_tail(self) -> bool:
        """Do some columns of a tile not exist?"""
        return not is_whole(self.tile.n, self.kernel.n.extent)

    @property
    def accumulator(self) -> str:
        """The Triton type of the sums."""
        wide = {"f64": "float64", "f32": "float32", "i64": "int64", "u64": "uint64", "u32": "uint32"}
        return wide.get(self.shape.accumulator.value, "int32")


def is_whole(block: int, extent: Dim) -> bool:
    """Does an extent consist of whole blocks, for all values of the symbols?"""
    return isinstance(extent, int) and extent % block == 0


def _is_near(shape: Sequence[Dim], strides: Sequence[Dim]) -> bool:
    total = 0
    for n, s in zip(shape, strides, strict=True):
        if not isinstance(n, int) or not isinstance(s, int):
            return False
        total += n * abs(s)
    return total < FAR
