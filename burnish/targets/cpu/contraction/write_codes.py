"""Writes contractions whose B is widened: in registers for few rows, once a panel for many. Here of few bits."""

from __future__ import annotations

from abc import abstractmethod

from llvmlite import ir

from burnish.dims import Dim, known, product
from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.contraction.few_bits import codes_of, few_rows, tile_sizes, vectors_at_once
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.write import Bound, Panel, TileWriter, run_offset
from burnish.targets.cpu.expressions.storage import storage_type
from burnish.targets.cpu.register_tile.accumulate import Level, Sums, Tile, accumulate
from burnish.targets.cpu.register_tile.codes import Place, RowsOfA, accumulate_codes, widen_codes
from burnish.targets.cpu.register_tile.load import scaled
from burnish.targets.cpu.register_tile.prefetch import Ahead
from burnish.targets.cpu.register_tile.rows import RowCase, RowTiles

_UNROLL = 4


class WideningWriter(TileWriter):
    """One kernel whose B is widened. few: the most rows of a tile that does so in registers."""

    few: int
    sizes: tuple[int, ...]

    @abstractmethod
    def _widen(self, panel: Panel) -> None:
        """Write a panel to scratch memory, f32 [K][width]."""

    @abstractmethod
    def _few(self, rows: RowsOfA, panel: Panel) -> Sums:
        """The sums of a tile of few rows, row by row."""

    @property
    def _depth(self) -> int:
        return known(product(self.depths))

    @property
    def _a_step(self) -> Dim:
        return self.shape.reduce[0].a_stride if self.shape.reduce else 0

    def _count_row_tiles(self) -> ir.Value:
        k, rows = self.k, self.options.rows
        self.tiles = RowTiles(k, self.rows.tiled.extent, rows, self.sizes)
        return k.ir.mul(k.index(self.tiles.count), k.dim(product(r.extent for r in self.rows.outer)))

    def _panel(self, group: ir.Value, bound: Bound, number: ir.Value, masks: tuple[ir.Value | None, ...]) -> Panel:
        """Where the panel lies; if tiles of many rows follow, it is widened now."""
        panel = self._found(group, bound, number, masks)
        if self.options.rows > self.few:
            has_many = self.tiles.at_least(self.few + 1)
            if isinstance(has_many, ir.Value):
                with self.k.when(has_many):
                    self._widen(panel)
            elif has_many:
                self._widen(panel)
        return panel

    def _found(self, group: ir.Value, bound: Bound, number: ir.Value, masks: tuple[ir.Value | None, ...]) -> Panel:
        return super()._panel(group, bound, number, masks)

    def _tile(self, case: RowCase, bound: Bound, panel: Panel, ahead: Ahead | None) -> None:
        k, run = self.k, self.rows.tiled
        offset = run_offset(k, (*self.shape.groups, *self.rows.outer), bound, "a_stride")
        a = k.address(k.slots[0], k.ir.add(offset, scaled(k, case.start, run.a_stride)), storage_type(self.a_dtype))
        rows = RowsOfA(a, self.rows.offsets(case.size), self._a_step, self.a_dtype)
        sums = self._few(rows, panel) if case.size <= self.few else self._many(rows, panel)
        self._store(case, bound, panel, sums)

    def _many(self, rows: RowsOfA, panel: Panel) -> Sums:
        vectors = len(panel.masks)
        level = Level(self._depth, self._a_step, self.width)
        tile = Tile(
            offsets=rows.offsets,
            vectors=vectors,
            lanes=self.lanes,
            unroll=_UNROLL,
            lane_step=1,
            levels=(level,),
            a_dtype=self.a_dtype,
            b_dtype=DType.F32,
            accumulator=DType.F32,
        )
        return accumulate(self.k, tile, rows.place, self.k.scratch, (None,) * vectors)


class CodesWriter(WideningWriter):
    """One kernel in the codes form."""

    def __init__(self, context: KernelContext, kernel: Contraction, options: ContractionOptions, name: str) -> None:
        super().__init__(context, kernel, options, name)
        assert kernel.blocks is not None
        self.blocks, self.codes, self.few = kernel.blocks, codes_of(kernel, options), few_rows(options.lanes)
        self.sizes = tile_sizes(options.rows, self.lanes)
        self.b_dtype = DType.U32
        self.panel_depth = -(-self.codes.depth // self.codes.per_word)

    def _widen(self, panel: Panel) -> None:
        widen_codes(self.k, self.codes, self._place(panel), self.k.scratch)

    def _place(self, panel: Panel) -> Place:
        k, codes = self.k, self.codes
        row = k.ir.mul(panel.column, k.i64(self.blocks.count(codes.depth)))
        scales = k.address(k.slots[self.blocks.scale], row, storage_type(codes.scale))
        if self.blocks.zero is None or codes.zero is None:
            return Place(panel.b, scales, None)
        return Place(panel.b, scales, k.address(k.slots[self.blocks.zero], row, storage_type(codes.zero)))

    def _few(self, rows: RowsOfA, panel: Panel) -> Sums:
        vectors, place, count = len(panel.masks), self._place(panel), len(rows.offsets)
        at_once = vectors_at_once(count, vectors, self.lanes)
        parts = [accumulate_codes(self.k, self.codes, rows, place, v, at_once) for v in range(0, vectors, at_once)]
        return [part[row * at_once + v] for row in range(count) for part in parts for v in range(at_once)]
