"""The Triton source of one loops kernel under one schedule.

programs   scalar axes x blocks of rows (x blocks of columns)
a program  a [rows, block] tile; first the values that do not depend on the columns, mainly reductions; then the others,
           block after block if the program goes over all columns itself
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.dims import Dim, ceildiv, product
from burnish.kernels.task import Loops
from burnish.ops.language.expr import Axis
from burnish.target import Target
from burnish.targets.cuda.expressions.codes import know_codes
from burnish.targets.cuda.expressions.emitter import Emitter, Value, emitter_at
from burnish.targets.cuda.loops.arrange import Groups, groups_of
from burnish.targets.cuda.loops.axes import bind, columns_block, is_wide, rows_block, whole_mask
from burnish.targets.cuda.loops.options import LoopsOptions
from burnish.targets.cuda.loops.reductions import Reductions, ask
from burnish.targets.cuda.source import Source
from burnish.targets.cuda.text import KernelText

MOST_ASKED = 16  # elements of a thread that may be loaded before they are needed


def source_of(kernel: Loops, options: LoopsOptions, target: Target) -> Source:
    """The source of a prepared kernel."""
    return _Tile(kernel, options, target).source()


class _Tile:
    """One kernel while it is being written."""

    def __init__(self, kernel: Loops, options: LoopsOptions, target: Target) -> None:
        self.kernel, self.options = kernel, options
        self.groups: Groups = groups_of(kernel, options.columns, options.across)
        self.rows, self.block = options.rows, options.block
        self.values = tuple(s.value for s in kernel.stores)
        extent = product(a.extent for a in self.groups.columns)
        self.is_whole = isinstance(extent, int) and extent <= self.block
        bound = self.groups.columns if self.is_whole else ()
        self.reductions = Reductions(self.rows, self.block, options.down, bound, self.values)
        self.text = KernelText(kernel.slots, target)

    def source(self) -> Source:
        grid = self._write()
        warps = self.options.warps
        return self.text.source((grid, 1, 1), warps=warps, stages=1, name=str(self.options.schedule))

    def _write(self) -> Dim:
        """Write all lines. Returns the number of programs."""
        scope = emitter_at(self.text, {}, reducer=self.reductions.reduce, zero="tl.zeros([1, 1], tl.int32)")
        self.text.wait()
        groups = self.groups
        spread = not groups.columns or self.is_whole or groups.columns_in_grid
        blocks: list[tuple[tuple[Axis, ...], int | None, int]] = [
            (groups.rows, 0, self.rows),
            (groups.scalars, None, 1),
        ]
        if groups.columns_in_grid and not self.is_whole:
            blocks.insert(0, (groups.columns, 1, self.block))
        scope, programs = self._bind_programs(scope, blocks)
        if groups.columns and self.is_whole:
            index = scope.code.let(columns_block(self.block), "column")
            extent = product(a.extent for a in groups.columns)
            scope = scope.inside(bind(scope, groups.columns, index, 1, whole_mask(scope, index, self.block, extent)))
        if spread:
            self._ask(scope)
            know_codes(scope, self.kernel.stores)
            scope.stores(self.kernel.stores)
        else:
            self._column_loop(scope)
        return programs

    def _bind_programs(
        self, scope: Emitter, blocks: Sequence[tuple[tuple[Axis, ...], int | None, int]]
    ) -> tuple[Emitter, Dim]:
        """Take the program's number apart: the first group changes fastest."""
        used = [(axes, dim, block) for axes, dim, block in blocks if axes]
        programs: Dim = 1
        rest = "tl.program_id(0)"
        places: dict[Axis, Value] = {}
        for n, (axes, dim, block) in enumerate(used):
            extent = product(a.extent for a in axes)
            count = ceildiv(extent, block)
            programs = programs * count
            number = rest
            if n + 1 < len(used):
                rest = scope.code.let(rest, "program") if n == 0 else rest
                number = scope.code.let(f"{rest} % {self.text.number(count)}", "number")
                rest = scope.code.let(f"{rest} // {self.text.number(count)}", "program")
            places.update(self._block(scope, axes, dim, block, number, extent))
        return scope.inside(places), programs

    def _block(
        self, scope: Emitter, axes: tuple[Axis, ...], dim: int | None, block: int, number: str, extent: Dim
    ) -> dict[Axis, Value]:
        """A program's share of a group of axes."""
        start = f"{number}.to(tl.int64)" if is_wide(axes) else number
        if dim is None:
            return bind(scope, axes, scope.code.let(start, "index"), None, "")
        start = f"{start} * {block}"
        make, stem = (columns_block, "column") if dim == 1 else (rows_block, "row")
        index = scope.code.let(make(block, start), stem)
        return bind(scope, axes, index, dim, whole_mask(scope, index, block, extent))

    def _ask(self, scope: Emitter) -> None:
        """Load before a row's reduction the data that is read after it (a norm's factors), if registers allow."""
        few = self.rows * self.block <= 32 * self.options.warps * MOST_ASKED
        if few and self.is_whole and not self.groups.columns_in_grid:
            for value in self.values:
                ask(scope, value)

    def _column_loop(self, scope: Emitter) -> None:
        """A program goes over all columns, block after block."""
        columns = self.groups.columns
        scope.hoist(self.values, columns)
        extent = product(a.extent for a in columns)
        with self.text.loop(self.text.numbered("k"), f"range(0, {self.text.number(extent)}, {self.block})") as start:
            inner = scope.inside({})
            index = inner.code.let(columns_block(self.block, start), "column")
            mask = whole_mask(inner, index, self.block, extent)
            scope = inner.inside(bind(inner, columns, index, 1, mask))
            know_codes(scope, self.kernel.stores)
            scope.stores(self.kernel.stores)
