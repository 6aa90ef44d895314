"""The tiles that a contraction could have: every legal combination, before any is ranked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import product
from math import prod

from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Shape
from burnish.kernels.task import Contraction
from burnish.targets.cuda.contraction.axes import Coordinate, copied_a, copied_b, pixels_of, reduction_of
from burnish.targets.cuda.contraction.cost import MOST_REGISTERS, CostModel
from burnish.targets.cuda.contraction.multiply import EXACT_DEPTH
from burnish.targets.cuda.contraction.operands_by_copy import BOX_EXTENT, LARGEST_STEP
from burnish.targets.cuda.contraction.split_sum import MOST_SHARING
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.expressions.codes import BYTES

SIDES = (16, 32, 64, 128, 256)
SPLITS = (1, 2, 3, 4, 6, 8, 16)
FEW_COLUMNS = 32  # half of the rows that tensor cores prefer for a first operand
WORTH_MORE = 8  # us: a launch must take so long to try persistent programs, and those that wait at first
FEW_REGISTERS = 96  # of a thread: two programs of eight warps on a processor, and more
CYCLES = 1700  # of a processor in a us, about
MOST_ACCUMULATORS = 128  # registers of a thread
SLOW_TILE = Tile("load", 16, 16, 16, warps=4, stages=1)  # product by product
_COPIED = (DType.F16, DType.BF16, DType.F8E4M3, *BYTES)


class Candidates:
    """A kernel's tiles on a target. `each` yields them; `legal` says of any tile whether it may be used."""

    def __init__(self, model: CostModel) -> None:
        self.model, self.kernel, self.target, self.shape = model, model.kernel, model.target, model.shape

    @cached_property
    def a_axes(self) -> tuple[tuple[Coordinate, ...], ...] | None:
        """The tensor map of each product's A; None where one of them cannot be one."""
        found = [copied_a(product, shape) for product, shape in self.model.products]
        known = tuple(axes for axes in found if axes is not None)
        return known if len(known) == len(found) else None

    @cached_property
    def can_copy(self) -> bool:
        """May both operands come by the copy engine?"""
        if not self.model.chip.has_copy_engine or self.a_axes is None:
            return False
        return all(self._can_copy(product, shape) for product, shape in self.model.products)

    @staticmethod
    def _can_copy(product: Contraction, shape: Shape) -> bool:
        a, b = product.slots
        if a.dtype not in _COPIED or b.dtype not in (BYTES if a.dtype in BYTES else (a.dtype,)):
            return False
        if product.packed:
            return b.aligned % 16 == 0
        found = copied_b(product, shape)
        return found is not None and (a.dtype.size_bytes > 1 or found[-1].tap is not None)  # k is innermost

    def each(self) -> Iterator[Tile]:
        """Legal tiles: forms, sides, depth, then how the sum is split and how deep the pipeline is."""
        if self.model.multiplied is None:
            yield SLOW_TILE
            return
        bases = (each for whole in self._bases() for each in self._apart(whole))
        for tile in (each for base in bases for each in self._split(base)):
            yield from (t for t in self._staged(tile) if self.legal(t))

    def _apart(self, base: Tile) -> Iterator[Tile]:
        """Several products in one loop, then with a loop for each."""
        yield base
        if self.model.together(base) > 1:
            yield replace(base, apart=True)

    def legal(self, tile: Tile) -> bool:
        """Can the kernel be written with this tile, and does it fit the chip, for all sizes?"""
        if not all(n in SIDES for n in (tile.m, tile.n)) or tile.k < self._least_depth or tile.k & (tile.k - 1):
            return False
        if self.model.is_widened and tile.k > EXACT_DEPTH:
            return False
        if tile.registers and not (32 <= tile.registers <= MOST_REGISTERS and tile.registers % 8 == 0):
            return False
        if self.model.multiplied is None and tile.m * tile.n * tile.k > 4096:
            return False
        if tile.is_copied and not (self.can_copy and self._fits_boxes(tile)):
            return False
        inner = [r for _, shape in self.model.products for r in shape.reduce[1:]]
        if tile.flat and (tile.is_copied or not all(isinstance(r.extent, int) for r in inner)):
            return False
        if tile.shared and (tile.split not in (2, 4, MOST_SHARING) or tile.m < tile.split):
            return False
        if tile.persistent and (tile.split > 1 or len(self.model.loops(tile)) > 1):
            return False
        if tile.near and (tile.is_copied or not self.model.chip.overlaps_launches):
            return False
        if tile.stagger and (tile.split > 1 or tile.stagger < 0):
            return False
        if tile.early and not self.model.fits_early(tile, 2 if tile.persistent else 1):
            return False
        if tile.early and tile.persistent and tile.registers:
            return False
        if self.model.chip.has_tensor_memory and not self._suits_sm_100(tile):
            return False
        if tile.prefetch and (tile.persistent or not (self.model.is_packed and self.model.chip.has_copy_engine)):
            return False
        if tile.apart and len(self.model.products) == 1:
            return False
        if tile.split > 1 and self.kernel.totals > 1:
            return False
        words = max(4, self.shape.accumulator.size_bytes) // 4 * self.model.sums
        most = min(MOST_ACCUMULATORS, tile.registers or MOST_ACCUMULATORS)
        fits = tile.m * tile.n * words <= most * 32 * tile.warps
        return fits and tile.split >= 1 and tile.stages >= 1 and self.model.resident(tile) >= max(1, tile.persistent)

    @property
    def _least_depth(self) -> int:
        """The smallest depth of a step that tensor cores take."""
        return 32 if self.model.multiplied in (DType.I8, DType.F8E4M3) else 16

    def _suits_sm_100(self, tile: Tile) -> bool:
        """Does Triton 3.6 compile it there? f64 only in small tiles; persistent loops need too much shared memory."""
        is_small = max(tile.m, tile.n) <= 32
        return tile.persistent == 0 and (self.model.multiplied is not DType.F64 or is_small)

    def _fits_boxes(self, tile: Tile) -> bool:
        assert self.a_axes is not None
        steps = self._pixel_steps
        if len(tile.box) != (len(steps) if len(steps) > 1 else 0) or max(steps) > LARGEST_STEP:
            return False
        widths = tile.box or (tile.m,)
        return all(w * step <= BOX_EXTENT for w, step in zip(widths, steps, strict=True))

    @cached_property
    def _pixel_steps(self) -> tuple[int, ...]:
        """The largest step that a product's map makes along each pixel run."""
        assert self.a_axes is not None
        found = []
        for axes, (_, shape) in zip(self.a_axes, self.model.products, strict=True):
            steps = {id(c.pixel): c.step for c in axes if c.pixel is not None}
            found.append([steps.get(id(r), 1) for r in pixels_of(shape)])
        return tuple(map(max, zip(*found, strict=True)))

    def _bases(self) -> Iterator[Tile]:
        """Form, sides and depth."""
        precision = self._precision()
        for form in ("copy", "load") if self.can_copy else ("load",):
            for swap in (True, False) if self.model.chip.has_copy_engine else (False,):
                for m in SIDES:
                    box = self.box(m) if form == "copy" else ()
                    if box is None:
                        continue
                    for n in SIDES:
                        if self._is_sensible(form, swap, m, n):
                            for k, flat in self._depths(form):
                                tile = Tile(form, m, n, k, box, swap, flat, precision=precision)
                                yield tile
                                if form == "load" and not flat and self._rereads:
                                    yield replace(tile, near=True)

    @cached_property
    def _rereads(self) -> bool:
        """Do the taps of a window read the same bytes again? (Halves have not been measured so.)"""
        taps = self.model.usual(reduction_of(self.kernel, self.shape, 16).tap_count)
        return self.model.element_bytes == 1 and taps > 1 and self.model.chip.has_copy_engine

    def _is_sensible(self, form: str, swap: bool, m: int, n: int) -> bool:
        """Is the tile not much larger than the work, and of a form that suits tensor cores?"""
        columns, pixels = max(16, self.model.columns), max(16, self.model.pixel_count)
        if m * n > 32768 or (n >= 2 * columns and not (swap and n == 64)) or m >= 2 * pixels:
            return False
        if form == "load":
            return m * n >= min(512, columns * pixels) and (not swap or (n >= 64 and m <= 32))
        if not swap and form == "copy" and len(self.model.pixel_extents) > 1 and columns > FEW_COLUMNS:
            return False  # a box of several axes goes through registers when it is the first operand
        return n >= 64 if swap else m >= 64

    def _depths(self, form: str) -> list[tuple[int, bool]]:
        """Depths of a step that waste few channels; if there are few channels, flat steps."""
        cut = reduction_of(self.kernel, self.shape, 16)
        extent, taps = self.model.usual(cut.channel.extent), self.model.usual(cut.tap_count)
        element = self.model.element_bytes
        found: list[tuple[int, bool]] = []
        for k in (32, 64, 128) if element > 1 else (32, 64, 128, 256):
            padded = -(-extent // k) * k
            if k * element <= 256 and (padded <= extent * 1.34 or k == 32):
                found.append((k, False))
        if extent <= 16:
            found = [(self._least_depth, False)]
        found = [(k, f) for k, f in found if k == found[-1][0] or k >= 64 or extent % 64]
        if form == "load" and taps > 1 and extent % 32:
            deep = 64 if taps * extent > 32 else 32
            return [(deep, True), (32, True)] if extent < 32 else [*found, (deep, True)]
        return found

    def box(self, m: int) -> tuple[int, ...] | None:
        """How m pixels lie along the pixel runs, so that the fewest tiles cover them; None where none may be."""
        extents = self.model.pixel_extents
        if len(extents) == 1:
            return ()
        most = [BOX_EXTENT // step for step in self._pixel_steps]
        found = [b for b in _factors(m, len(extents)) if all(w <= limit for w, limit in zip(b, most, strict=True))]
        return min(found, key=lambda b: _cover(b, extents), default=None)

    def _split(self, base: Tile) -> Iterator[Tile]:
        steps, programs = self.model.steps(base), self.model.tiles(base)
        for split in SPLITS:
            each = -(-steps // split)
            useful = each * (split - 1) < steps and each * base.k >= 128
            if split == 1 or (useful and programs * split <= 2 * self.model.chip.processors):
                if split in (2, 4, MOST_SHARING) and programs * split <= self.model.chip.processors:
                    yield replace(base, split=split, shared=True)
                yield replace(base, split=split)

    def _staged(self, tile: Tile) -> Iterator[Tile]:
        """Warps, stages, the order of programs; then the persistent forms."""
        area, steps = tile.m * tile.n, max(1, -(-self.model.steps(tile) // tile.split))
        band = 1 if self.model.operand_bytes[1] // self.model.groups <= self.model.chip.l2_bytes // 3 else 8
        many = self.model.tiles(tile) * tile.split > 2.8 * self.model.chip.processors
        prefetch = self.model.is_packed and self.model.chip.has_copy_engine and not many
        adds = self.model.residual_bytes > 0
        flows = tile.is_copied and tile.split == 1 and (not adds or self.model.stored_bytes == 1)
        depths: tuple[int, ...] = (2, 3, 4) if area >= 8192 else (3, 4, 6)
        if (together := self.model.together(tile)) > 1:  # a round is that many steps ahead
            depths, steps = (1, *(max(2, s // together) for s in depths)), max(2, steps // together)
        for warps, registers in self._threads(area):
            tile = replace(tile, warps=warps, registers=registers)
            for stages in sorted({min(steps, s) for s in depths}):
                found = replace(tile, stages=stages, band=band, prefetch=prefetch)
                for early in (True, False) if tile.split == 1 else (False,):
                    yield from self._staggered(replace(found, early=early))
            if many and flows and self.model.floor > WORTH_MORE:  # its pipeline goes on from tile to tile
                deep = tuple(s for s in depths if s > 1)
                for each, stages in product((1, 2, 4) if steps <= 2 else (1, 2), (2, *deep) if steps <= 2 else deep):
                    flowing = replace(tile, stages=stages, band=band, persistent=each, early=adds)
                    yield from self._staggered(flowing)

    def _threads(self, area: int) -> list[tuple[int, int]]:
        """Warps, and registers of a thread. Epilogues of bytes take longer than products: more threads."""
        found = [(8, 0)] if area > 16384 else [(4, 0), (8, 0)] if area == 16384 else [(4, 0)]
        if self.model.chip.has_warpgroups and self.model.element_bytes == 1 and self.model.floor > WORTH_MORE / 2:
            found += [(8, 0)] if 8192 <= area < 16384 else []
            found += [(8, FEW_REGISTERS)] if 8192 <= area <= 16384 else []
        return found

    def _staggered(self, tile: Tile) -> Iterator[Tile]:
        """The tile without a pause; then with one, where some programs wait for half of another program's time."""
        yield tile
        if not tile.is_copied or tile.split > 1 or self.model.floor < WORTH_MORE:
            return
        if self.legal(tile) and self.model.goes_in_step(tile):
            cycles = int(self.model.life(tile) / 2 * CYCLES)
            yield replace(tile, stagger=max(1, cycles >> 8) << 8)

    def _precision(self) -> str:
        if self.model.multiplied is DType.F32 and self.model.chip.has_tensor_cores and not self.model.is_widened:
            return "tf32x3"
        return "ieee"


def _factors(m: int, count: int) -> list[tuple[int, ...]]:
    """Every way to write a power of two as a product of `count` powers of two."""
    if count == 1:
        return [(m,)]
    widths = [1 << i for i in range(m.bit_length())]
    return [(w, *rest) for w in widths for rest in _factors(m // w, count - 1)]


def _cover(box: tuple[int, ...], extents: tuple[int, ...]) -> tuple[int, ...]:
    """Order of boxes: fewest tiles, then few images, then long rows."""
    tiles = prod(-(-e // w) for e, w in zip(extents, box, strict=True))
    return (tiles, *box[:-2], *(-w for w in reversed(box[-2:])))
