"""An analytic estimate of the cost of a register tiling, to rank schedules without running them.

Cycles of one step over k are the largest of: multiply-adds (two units), loads (two ports), the multiply-add's latency
over the tile's accumulators, and the panel's bytes from the second cache level. The model is a ranking, not a promise:
its numbers are those of current x86 servers (48 KB and 1 to 2 MB of cache, two 512-bit units).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Shape
from burnish.kernels.task import Contraction
from burnish.kernels.usual_size import usual_size
from burnish.target import Target
from burnish.targets.cpu.contraction.copy_panel import copies_panel
from burnish.targets.cpu.contraction.pack import storage_dtype
from burnish.targets.cpu.contraction.tile_rows import Rows, dot_lanes, rows_of
from burnish.targets.cpu.contraction.unit import Unit, parts_cycles, step_of, unit_cycles, unit_of
from burnish.targets.cpu.register_tile.byte_words import FORM as BYTES
from burnish.targets.cpu.register_tile.parts import PARTS
from burnish.targets.cpu.register_tile.quads import QUAD, sums_bytes
from burnish.targets.cpu.register_tile.rows import dynamic_sizes

_COPY = 2.5  # cycles of an element of B that lies apart from its neighbours, on its way into scratch memory
_COPY_BYTE = 0.25  # of a byte of words that are copied, where rows or columns lie side by side
_LATENCY, _LOADS_PER_CYCLE = 4.0, 1.65
_LEVEL1_BYTES, _LEVEL2_BYTES = 32 * 1024, 1024 * 1024
_LEVEL2_BYTES_PER_CYCLE = 16.0
_WAYS = 12
UNIT_FORMS = ("tiles", "parts")
_INTEGER_PRODUCT = 3.0  # instructions of a 32-bit product and its sum, a slow one counted twice
_INTEL_PAIRS = 1.7  # vdpbf16ps on a processor with AMX: 0.58 of the products of f32's multiply-adds in the same time
_UNITS_OF_BLOCK, _FEW_UNITS = 8, 6
_FLAT_ROW = 4.0  # cycles in which a flat row becomes a pixel, or not
# of a constant that comes from memory while the sums run; 0.1 to 0.13 were measured, but 16 bits must win clearly
_COLD_CYCLES_PER_BYTE = 0.08
_WORTH_PARTS = 1.15  # parts must be better by that much, since constants take half as much memory again
_COLD_PARTS = 0.14  # of parts, added to the cycles of products: tiles and prefetches seem to share the way to memory


@dataclass(frozen=True, slots=True)
class Tiling:
    """`rows` steps along the pixel run `axis` x vectors. `axis` and `fold` are those of `ContractionOptions`."""

    rows: int
    vectors: int
    lanes: int
    axis: int
    form: str = "tile"
    fold: bool = False


def registers(target: Target) -> int:
    return 32 if target.level == "x86-64-v4" else 16


def rows_at_most(target: Target, vectors: int, more: int = 0) -> int:
    """The most rows whose accumulators, with the vectors of B and one of A (and `more`), stay in registers."""
    if vectors == 1 and registers(target) == 32 and not more:
        return 28  # A comes from memory as part of the multiply-add
    return max(1, (registers(target) - vectors - 1 - more) // vectors)


class CostModel:
    """One kernel on one target, its symbols at their usual `sizes`."""

    def __init__(self, kernel: Contraction, shape: Shape, target: Target, sizes: Mapping[str, int]) -> None:
        self.kernel, self.shape, self.target, self.sizes = kernel, shape, target, dict(sizes)
        self.item = shape.accumulator.size_bytes
        self.depth, self.columns = self.expect(shape.depth), self.expect(shape.n.extent)
        self.groups = self.expect(shape.group_count)
        self.pixels = self.expect(product(r.extent for r in shape.pixels))

    def rows_at_most(self, form: str, vectors: int) -> int:
        """The most rows of a tile of this form."""
        # quads of the next rows, and halves of this one's; ones, and products beside a row that is still needed
        more = {"quads": 2 if self._sums_bytes else vectors + 2, BYTES: min(vectors, 2)}
        return rows_at_most(self.target, vectors, more.get(form, 0))

    @property
    def _sums_bytes(self) -> bool:
        return sums_bytes("vnni" in self.target.extensions, self.kernel.slots[1].dtype)

    def expect(self, dim: Dim) -> int:
        """The usual value of a dim, at least 1, for formulas that divide by it."""
        return max(1, usual_size(dim, self.sizes))

    def cycles(self, tiling: Tiling) -> float:
        """Cycles of the whole kernel on one core, data in the second cache level."""
        if tiling.form in UNIT_FORMS:
            units = self._row_tiles(tiling) * self.groups * -(-self.columns // (tiling.vectors * tiling.lanes))
            unit, is_flat = self.unit(tiling), tiling.fold and tiling.axis == 0
            located = _FLAT_ROW * unit.rows * unit.height if is_flat else 0.0
            if tiling.form == "parts":
                constants = _COLD_PARTS * unit.parts * unit.item * self.groups * self.depth * self.columns
                is_near = self._a_bytes <= 2 * _LEVEL2_BYTES
                return _WORTH_PARTS * (units * (parts_cycles(unit, self.columns, is_near) + located) + constants)
            return units * (unit_cycles(unit, self.columns) + located) + self._copying(tiling) * self.groups
        rows = self._rows(tiling)
        whole, tail = divmod(self.columns, tiling.vectors * tiling.lanes)
        panels = [(tiling.vectors, whole), (-(-tail // tiling.lanes), 1 if tail else 0)]
        sizes = self._row_sizes(tiling)
        is_single = not rows.outer and len(sizes) == sizes[0][1] == 1
        total, copy = 0.0, self._copying(tiling)
        for steps, count in sizes:
            size = steps * rows.per_step
            for vectors, repeats in panels:
                if not vectors or not size:
                    continue
                if tiling.form == "dot":
                    one = self._dot_cycles(size, min(tiling.lanes, self.columns), is_single)
                else:
                    one = self.depth * self._step(tiling, size, vectors, is_single)
                total += count * repeats * (one + 30 + size * vectors * 3)
        total = copy + total * self.expect(product(r.extent for r in rows.outer))
        return max(total * self.groups, self._cold(tiling))

    def _copying(self, tiling: Tiling) -> float:
        """Cycles in which a computed B of one group goes through scratch memory, if it does."""
        shape = self.shape
        if not copies_panel(self.kernel, tiling.form):
            return 0.0
        is_apart = tiling.form == "copied" or 1 not in (shape.n_stride, shape.reduce[-1].b_stride)
        return (_COPY if is_apart else _COPY_BYTE) * self.depth * self.columns

    def _cold(self, tiling: Tiling) -> float:
        """Cycles in which memory gives a constant that could lie in 16 bits, but was widened at build.

        Measured on one core against f32, 768 x 768 and larger, weights from memory (Zen 4; x86-64-v4 and v3):
            rows                   1            2            4            7 or 8       12 or 16     28 and more
            narrow                 0.6   0.5    0.4   0.5    0.5   1.1    0.9   1.8    1.0   1.5    1.07  1.5 to 1.7
        So 16 bits pay for few rows; otherwise the reads hide behind the sums.
        """
        dtype = self.kernel.slots[1].dtype
        if not self.kernel.packed or self._packed_item(tiling) == dtype.size_bytes:
            return 0.0
        return _COLD_CYCLES_PER_BYTE * self._packed_item(tiling) * self.groups * self.depth * self.columns

    def unit(self, tiling: Tiling) -> Unit:
        """The unit of a tiling in the tiles form."""
        step, by_runs = step_of(self.kernel, self.shape), tiling.fold and tiling.axis == 1
        unit = unit_of(self.kernel, self.shape, tiling.rows, tiling.vectors, step, by_runs)
        return replace(unit, parts=len(PARTS)) if tiling.form == "parts" else unit

    def b_item(self, tiling: Tiling) -> int:
        """The size of an element of B as the tiles of a form read it, in bytes."""
        return self._packed_item(tiling) if self.kernel.packed else self.item

    def _packed_item(self, tiling: Tiling) -> int:
        size = storage_dtype(self.kernel.slots[1].dtype, tiling.form).size_bytes
        return size * len(PARTS) if tiling.form == "parts" else size

    def imbalance(self, tiling: Tiling) -> float:
        """How much longer the busiest thread works than the average thread, for two and for four threads."""
        units = self._row_tiles(tiling) * self.groups * -(-self.columns // (tiling.vectors * tiling.lanes))
        return (-(-units // 2) * 2 + -(-units // 4) * 4) / (2 * units)

    def block(self, tiling: Tiling) -> int:
        """How many row tiles share a panel before the next panel comes: 0 for all of them, 1 for none.

        If B stays in the second cache level and A is larger, one tile at a time, so that A is read once. Otherwise
        all tiles: each thread reads its own panels once, and A's rows (a third of the traffic) from any cache level
        that holds them. If no cache holds them, as many tiles as fit.
        """
        if copies_panel(self.kernel, tiling.form):
            return 0
        if tiling.form == "parts":
            return min(_UNITS_OF_BLOCK, self._row_tiles(tiling))
        a_bytes = self._a_bytes
        b_bytes = self.depth * self.columns * self.b_item(tiling)
        if tiling.form == "tiles" and b_bytes <= _LEVEL2_BYTES // 2:
            if self.unit(tiling).pieces > 1:
                return 1  # A is gathered once for all panels
            if a_bytes > b_bytes and (found := self._units_of_block(tiling, b_bytes)):
                return found
            if 2 * (a_bytes + self._stored_bytes) > b_bytes:
                return self._half_of_units(tiling)
        if b_bytes <= _LEVEL2_BYTES // 2 and a_bytes > b_bytes and tiling.form != "tiles":
            return 1
        if a_bytes <= 4 * _LEVEL2_BYTES:
            return 0
        tile_bytes = max(1, tiling.rows * self._rows(tiling).per_step * a_bytes // self.pixels)
        return max(1, _LEVEL2_BYTES // tile_bytes)

    @property
    def _a_bytes(self) -> int:
        """Bytes of A; of a convolution, it has fewer elements than pixels times depth."""
        a = self.kernel.slots[0]
        return min(self.pixels * self.depth, self.expect(product(a.shape))) * a.dtype.size_bytes

    def _units_of_block(self, tiling: Tiling, b_bytes: int) -> int:
        """Units that share a panel where A is the larger side: few, so that threads take rows and not columns.

        Then a thread finds its rows where it wrote them in the launch before, and reads A once. Several, since products
        read a panel faster from the first cache level: only if all of B stays there, one unit takes all panels in turn.
        """
        if b_bytes <= _LEVEL1_BYTES // 2:
            return 1
        fewest, units = 2, self._row_tiles(tiling)
        return min(_UNITS_OF_BLOCK, units // 4) if units >= 4 * fewest else 0

    def _half_of_units(self, tiling: Tiling) -> int:
        """Half of the units, if there are several: two threads take rows, too, and each of them reads all of B.

        What a thread wrote in the launch before is in its cache, the rest in another core's, which gives 8 GB/s of it;
        constants come at 20.
        measured, ResNet-50 of codes, two threads with AMX: 196x1024x256 32 us, 39 where threads take columns
        """
        units = self._row_tiles(tiling)
        return min(_UNITS_OF_BLOCK, -(-units // 2)) if units >= _FEW_UNITS else 0

    @property
    def _stored_bytes(self) -> int:
        """Bytes of the results."""
        return self.pixels * self.columns * sum(self.kernel.slots[s.slot].dtype.size_bytes for s in self.kernel.stores)

    def prefetch(self, tiling: Tiling) -> int:
        """How many k ahead B is prefetched: 3 KB, if its rows are whole cache lines and a panel exceeds level 1."""
        row_bytes = tiling.vectors * tiling.lanes * self.b_item(tiling)
        # a pair or quad of k is a row; if rows are narrow, some lines are prefetched twice
        together = {"pairs": 2, "narrow": 2, "quads": QUAD}.get(tiling.form, 1)
        if (
            tiling.form in ("dot", *UNIT_FORMS, BYTES)
            or copies_panel(self.kernel, tiling.form)
            or row_bytes * together % 64
            or self.depth * row_bytes <= _LEVEL1_BYTES * 3 // 4
        ):
            return 0
        return max(1, 3072 // row_bytes) if self.kernel.packed or self.shape.n_stride == 1 else 0

    def spread(self, tiling: Tiling, unroll: int) -> int:
        """The number of a panel's tiles that share the prefetch of the next panel, a power of two; 0: no prefetch.

        It pays if tiles share a panel and B does not fit in level 1. Constants then come from memory, because the rest
        of the network has passed through the caches since their last use. The number is limited so that each unrolled
        step over k prefetches a cache line.
        """
        item = self._packed_item(tiling)
        panel = tiling.vectors * tiling.lanes
        panels = self.groups * -(-self.columns // panel)
        is_small = self.depth * panel * panels * item <= _LEVEL1_BYTES
        block = self.block(tiling)
        is_shared = block == 0 or (block > 1 and tiling.form in UNIT_FORMS)
        if not self.kernel.packed or tiling.form in ("dot", BYTES) or not is_shared or panels == 1 or is_small:
            return 0
        most = min(block or self._row_tiles(tiling), unroll * panel * item // 64)
        fewest = 1 if tiling.form in UNIT_FORMS else 2  # a panel that one unit reads is read as fast as memory gives it
        return 1 << (most.bit_length() - 1) if most >= fewest else 0

    def _row_tiles(self, tiling: Tiling) -> int:
        """Tiles, or units of tiles, of each panel."""
        outer = self.expect(product(r.extent for r in self._rows(tiling).outer))
        if tiling.form in UNIT_FORMS:
            unit, along = self.unit(tiling), self.expect(self._rows(tiling).tiled.extent)
            by_runs = tiling.fold and tiling.axis == 1
            return -(-outer * (along if by_runs else -(-along // unit.height)) // unit.rows)
        return outer * sum(count for _, count in self._row_sizes(tiling))

    def _rows(self, tiling: Tiling) -> Rows:
        return rows_of(self.shape, tiling.axis, tiling.fold)

    def _row_sizes(self, tiling: Tiling) -> list[tuple[int, int]]:
        """(steps of a tile, how many such tiles) along the tiled run."""
        extent = self._rows(tiling).tiled.extent
        if isinstance(extent, int):
            return row_sizes(extent, tiling.rows)
        total = self.expect(extent)
        size = next(s for s in dynamic_sizes(tiling.rows) if s <= total)
        return [(size, -(-total // size))]

    def _dot_cycles(self, rows: int, columns: int, is_single: bool) -> float:
        """Cycles of one dot tile: vectors of k, then folding their lanes. is_single: no other tile uses its panel."""
        lanes, inner = dot_lanes(self.shape, self.target), self.expect(self.shape.reduce[-1].extent)
        products = rows * columns * (_INTEGER_PRODUCT if self.shape.accumulator is DType.I32 else 1.0)
        busy = max(products / 2, (rows + columns) / _LOADS_PER_CYCLE, _LATENCY if rows * columns < 8 else 0.0)
        panel = self.columns if is_single else columns
        streams = self.depth * (rows + panel) * self.item > _LEVEL1_BYTES
        transfer = (rows + columns) * lanes * self.item / _LEVEL2_BYTES_PER_CYCLE if streams else 0.0
        vectors = -(-inner // lanes) * (self.depth // inner)
        return 1.15 * (vectors * _overlapped(busy, transfer) + rows * columns * 6)

    def _step(self, tiling: Tiling, rows: int, vectors: int, is_single: bool) -> float:
        """Cycles that one tile takes for one step of k."""
        if tiling.form == "quads":
            return self._quad(tiling, rows, vectors, is_single) / QUAD
        if tiling.form == BYTES:
            return self._word(tiling, rows, vectors, is_single) / QUAD
        loads = (rows + vectors) / _LOADS_PER_CYCLE
        if not self.kernel.packed and self.shape.n_stride != 1 and tiling.form != "copied":
            loads += vectors * tiling.lanes
        loads *= self._conflicts(tiling, rows)
        panel = self.columns if is_single else tiling.vectors * tiling.lanes
        item = self.b_item(tiling)
        streams = self.depth * panel * item > _LEVEL1_BYTES
        transfer = vectors * tiling.lanes * item / _LEVEL2_BYTES_PER_CYCLE if streams else 0.0
        busy = max(
            self._operations(tiling, rows, vectors) / 2, loads, _LATENCY if rows * vectors < 2 * _LATENCY else 0.0
        )
        return _overlapped(busy, transfer)

    def _quad(self, tiling: Tiling, rows: int, vectors: int, is_single: bool) -> float:
        """Cycles that one tile takes for four steps of k."""
        a, b = (s.dtype for s in self.kernel.slots[:2])
        has_vnni, is_signed, is_wide = "vnni" in self.target.extensions, a is DType.I8, b is DType.I16
        products, loads, busy = float(rows * vectors), rows + vectors, 0.0
        if self._sums_bytes:
            busy = (products + (rows if is_signed else 0)) / 2
        else:
            loads += vectors * is_wide
            busy = (products * (2 if has_vnni else 4) + rows * (2 + is_signed) + vectors * (0 if is_wide else 3)) / 2
        panel = self.columns if is_single else tiling.vectors * tiling.lanes
        item = self.b_item(tiling)
        streams = self.depth * panel * item > _LEVEL1_BYTES
        transfer = QUAD * vectors * tiling.lanes * item / _LEVEL2_BYTES_PER_CYCLE if streams else 0.0
        slow = _LATENCY if products < 2 * _LATENCY else 0.0
        return _overlapped(max(busy, loads / _LOADS_PER_CYCLE * self._conflicts(tiling, rows), slow), transfer)

    def _word(self, tiling: Tiling, rows: int, vectors: int, is_single: bool) -> float:
        """Cycles that one tile takes for four steps of k in words; the more columns, the more words.

        Words over quads, of weights of a normal distribution:

            k                64      128     256     512     1024    2304
            8 columns        1.34    1.21    1.15    1.11    1.07    1.04
            16               1.58    1.40    1.29    1.20    1.13    1.09
            32               1.90    1.66    1.50    1.37    1.25    1.17
        """
        is_signed = self.kernel.slots[0].dtype is DType.I8
        products, width = float(rows * vectors), vectors * tiling.lanes
        words = 1 + min(1.0, 2.1 * math.pow(width / 8, 0.75) * math.pow(self.depth, -0.44))
        busy = (2.2 * products + (rows if is_signed else 0)) / 2
        loads = (rows + vectors) / _LOADS_PER_CYCLE * self._conflicts(tiling, rows)
        panel = self.columns if is_single else width
        streams = self.depth * panel * words > _LEVEL1_BYTES
        transfer = QUAD * width / _LEVEL2_BYTES_PER_CYCLE if streams else 0.0
        return words * _overlapped(max(busy, loads, _LATENCY if products < 2 * _LATENCY else 0.0), transfer)

    def _operations(self, tiling: Tiling, rows: int, vectors: int) -> float:
        """Instructions of the multiply-add units for one step of k, including those that widen halves."""
        products = float(rows * vectors)
        if self.shape.accumulator is DType.I32:
            return products * _INTEGER_PRODUCT + rows + vectors
        if tiling.form != "pairs":
            # with one vector, A is part of the multiply-add, unless it is widened first: 1.4 times as long was measured
            is_half = vectors == 1 and self.kernel.packed and self.kernel.slots[0].dtype.size_bytes == 2
            return products + (2 * vectors if tiling.form == "narrow" else 0) + (rows if is_half else 0)
        if "amx" in self.target.extensions:
            return products * _INTEL_PAIRS
        return products / 2 if "bf16" in self.target.extensions else products + rows + vectors

    def _conflicts(self, tiling: Tiling, rows: int) -> float:
        """How much slower loads get when the tile's rows fall into few sets of the first cache level."""
        over = self._rows(tiling)
        lines = self.expect((over.folded or over.tiled).a_stride) * self.kernel.slots[0].dtype.size_bytes / 64
        if lines < 1 or lines != int(lines):
            return 1.0
        sets = 64 // math.gcd(int(lines), 64)
        return 1.0 if rows / sets <= _WAYS + 2 else 1.8


def row_sizes(extent: int, rows: int) -> list[tuple[int, int]]:
    """(steps of a tile, how many such tiles) along a run of known extent."""
    tiles = max(1, -(-extent // rows))
    small, bigs = divmod(extent, tiles)
    return [(small + 1, bigs), (small, tiles - bigs)] if bigs else [(small, tiles)]


def _overlapped(busy: float, transfer: float) -> float:
    return max(busy, transfer) + 0.15 * min(busy, transfer)
