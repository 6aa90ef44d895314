"""Writes a contraction whose B is kept without its zeros: expanded in registers for few rows, once a panel for many."""

from __future__ import annotations

from llvmlite import ir

from burnish.kernels.task import Contraction
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.sparse import few_rows, sparse_of, tile_sizes
from burnish.targets.cpu.contraction.write import Bound, Panel
from burnish.targets.cpu.contraction.write_codes import WideningWriter
from burnish.targets.cpu.register_tile.accumulate import Sums
from burnish.targets.cpu.register_tile.codes import RowsOfA
from burnish.targets.cpu.register_tile.expand import accumulate_sparse, expand_panel, panel_address


class SparseWriter(WideningWriter):
    """One kernel in the sparse form."""

    def __init__(self, context: KernelContext, kernel: Contraction, options: ContractionOptions, name: str) -> None:
        super().__init__(context, kernel, options, name)
        self.sparse, self.few, self.sizes = sparse_of(kernel, options), few_rows(options.vectors), tile_sizes(options)

    def _found(self, group: ir.Value, bound: Bound, number: ir.Value, masks: tuple[ir.Value | None, ...]) -> Panel:
        k = self.k
        at = panel_address(k, k.slots[1], k.ir.add(k.ir.mul(group, k.dim(self.panels)), number))
        return Panel(k.ir.mul(number, k.i64(self.width)), at, at, masks)

    def _widen(self, panel: Panel) -> None:
        expand_panel(self.k, self.sparse, panel.b, self.k.scratch)

    def _few(self, rows: RowsOfA, panel: Panel) -> Sums:
        """Of the last panel, whose vectors may not all exist, only those that do are kept."""
        sums, vectors = accumulate_sparse(self.k, self.sparse, rows, panel.b), self.vectors
        return [total for n, total in enumerate(sums) if n % vectors < len(panel.masks)]
