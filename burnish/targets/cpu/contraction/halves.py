"""The geometry of the strassen form: a product of f32 as seven products of halves instead of eight, and when it pays.

What is computed, and in which order, stands in write_strassen.py. Rows are paired, columns and k are cut in half.
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import known
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Shape
from burnish.kernels.task import Contraction
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.pack import storage_dtype
from burnish.targets.cpu.register_tile.prefetch import LINE_BYTES

FORM = "strassen"
# Schedules offer the form only where this is set. It is not: the error of a row is relative to the larger values of the
# row beside it, often another request of a batch. A row 10,000 times as large leaves it 7e-3 of its own largest value,
# and NaN or an infinity makes it NaN.
IS_OFFERED = False
PRODUCTS, SUMS_OF_B = 7, 5
ITEM_BYTES = 4
STEP = 16  # half of k is a multiple of it: whole vectors
_BLOCK = 384  # k of a half that are summed at once: right sides of 32 columns are 336 KB then
_GROUP_BYTES = 12 << 20  # left sides of a group


@dataclass(frozen=True, slots=True)
class Halves:
    """The sizes of a kernel, in elements. `width`: columns of a panel; `tile_rows`: pairs of rows of a tile."""

    rows: int
    columns: int
    depth: int
    width: int
    tile_rows: int

    @property
    def pairs(self) -> int:
        """Pairs of rows."""
        return -(-self.rows // 2)

    @property
    def panels(self) -> int:
        """Pairs of panels."""
        return self.columns // (2 * self.width)

    @property
    def block(self) -> int:
        """k of a half that are summed at once."""
        half = self.depth // 2
        return next(b for b in range(_BLOCK, 0, -STEP) if half % b == 0)

    @property
    def blocks(self) -> int:
        return self.depth // 2 // self.block

    @property
    def pitch(self) -> int:
        """From one row of a left side to the next: not a multiple of a page."""
        return self.block + LINE_BYTES // ITEM_BYTES

    @property
    def tiles(self) -> int:
        """Row tiles of a group."""
        each = PRODUCTS * self.blocks * self.tile_rows * self.pitch * ITEM_BYTES
        return max(1, min(-(-self.pairs // self.tile_rows), _GROUP_BYTES // each))

    @property
    def group_rows(self) -> int:
        return self.tiles * self.tile_rows

    @property
    def side_bytes(self) -> int:
        """One left side of one block of k."""
        return self.group_rows * self.pitch * ITEM_BYTES

    @property
    def right_bytes(self) -> int:
        return self.block * self.width * ITEM_BYTES

    @property
    def quarter_bytes(self) -> int:
        return self.tile_rows * self.width * ITEM_BYTES

    @property
    def scratch_bytes(self) -> int:
        left = self.blocks * PRODUCTS * self.side_bytes
        return left + SUMS_OF_B * self.right_bytes + self.tiles * 4 * self.quarter_bytes

    def cycles(self, step: float) -> float:
        """Cycles of the whole kernel. step: of one k of a row tile in registers.

        source: measured on Zen 4, where a number of a left side takes a cycle and one of a right side half a cycle,
        but a step twice as long as here; two threads share the row tiles, and both make all right sides
        """
        tiles, half = -(-self.pairs // self.tile_rows), self.depth // 2
        vectors = self.tile_rows * self.width // STEP
        products = PRODUCTS * tiles * self.panels * self.blocks * (self.block * step + 30 + 2 * vectors)
        left = 0.5 * PRODUCTS * self.pairs * half
        right = 0.5 * SUMS_OF_B * half * self.width * self.panels * -(-tiles // 2 // self.tiles)
        return products + left + right + tiles * self.panels * 4 * 3 * vectors


def halves_of(shape: Shape, options: ContractionOptions) -> Halves:
    """The sizes of a kernel that `can_halve`."""
    rows = known(shape.pixels[0].extent)
    return Halves(rows, known(shape.n.extent), known(shape.depth), options.width, options.rows)


def can_halve(kernel: Contraction, shape: Shape) -> bool:
    """Is it one product of f32 with a constant that is packed as f32, of known sizes, with one run of rows and of k?"""
    dtypes = {kernel.slots[0].dtype, storage_dtype(kernel.slots[1].dtype, FORM)}
    if dtypes != {DType.F32} or not kernel.packed or kernel.blocks is not None:
        return False
    if len(shape.pixels) != 1 or len(shape.reduce) != 1 or shape.group_count != 1:
        return False
    sizes = (shape.pixels[0].extent, shape.n.extent, shape.depth, shape.pixels[0].a_stride)
    return all(isinstance(s, int) and s > 1 for s in sizes) and shape.reduce[0].a_stride == 1


def divides(shape: Shape, width: int) -> bool:
    """Do panels of this width divide the columns, and whole vectors k, into halves?"""
    return known(shape.n.extent) % (2 * width) == 0 and known(shape.depth) % (2 * STEP) == 0


def fits_halves(shape: Shape, options: ContractionOptions) -> bool:
    """Can a kernel that `can_halve` be written with these options?"""
    if options.axis or options.fold or options.block or options.spread or options.lanes < 2:
        return False
    return STEP % options.lanes == 0 and divides(shape, options.width)
