"""How the rows of a register tile, or of a row tile, walk a contraction's runs, and how many lanes fit."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim
from burnish.kernels.contraction_runs import Run, Shape
from burnish.ops.language.expr import Axis
from burnish.target import Target
from burnish.targets.cpu.contraction.options import ContractionOptions


@dataclass(frozen=True, slots=True)
class Rows:
    """The runs that a tile's rows cover: `tiled` in steps, and in each step all of `folded`. `outer`: the other runs.

    Folding an innermost run of few pixels (7 of a 7x7 image) gives tiles of two or three times as many rows.
    """

    tiled: Run
    folded: Run | None
    outer: tuple[Run, ...]

    @property
    def per_step(self) -> int:
        """Rows in each step of `tiled`."""
        if self.folded is None:
            return 1
        assert isinstance(self.folded.extent, int)
        return self.folded.extent

    def offsets(self, steps: int) -> tuple[Dim, ...]:
        """The distance of A's element of each row from that of the first row."""
        inner = self.folded.a_stride if self.folded else 0
        return tuple(s * self.tiled.a_stride + i * inner for s in range(steps) for i in range(self.per_step))


@dataclass(frozen=True, slots=True)
class FlatRows:
    """Rows that run on over the ends of the inner pixel runs, as A lies: a row for each element at A's own distance.

    runs    outer to inner
    widths  for each run but the first: how many of its steps are one step of the run outside it

    Where a width exceeds its run's extent, rows between are multiplied in vain and not stored: of a 7 x 7 image with a
    halo 49 of 61 rows are pixels, in four row tiles of 16, where rows of 7 would take seven row tiles.
    """

    runs: tuple[Run, ...]
    widths: tuple[int, ...]
    outer: tuple[Run, ...]

    @property
    def tiled(self) -> Run:
        """All rows from the first pixel to the last one, as a run."""
        inner, extent = self.runs[-1], self.runs[0].extent
        for width, run in zip(self.widths, self.runs[1:]):
            extent = extent * width if run.extent == width else (extent - 1) * width + run.extent
        return Run(inner.axes, extent, inner.a_stride, 0)


def flat_rows(shape: Shape) -> FlatRows | None:
    """The two innermost pixel runs flat in A, and the runs outside them as long as that leaves no gaps; else None."""
    runs, widths = list(shape.pixels[-1:]), list[int]()
    for run in reversed(shape.pixels[:-1]):
        inner, step, between = runs[0].extent, run.a_stride, runs[0].a_stride
        if not isinstance(inner, int) or not isinstance(step, int) or not isinstance(between, int) or between < 1:
            break
        width, rest = divmod(step, between)
        is_dense = width == inner
        if rest or width < inner or (not is_dense and (runs[1:] or not isinstance(run.extent, int))):
            break
        runs, widths = [run, *runs], [width, *widths]
        if not is_dense:
            break
    outer = shape.pixels[: len(shape.pixels) - len(runs)]
    return FlatRows(tuple(runs), tuple(widths), outer) if widths else None


def rows_of(shape: Shape, position: int, fold: bool) -> Rows:
    """Rows over the run at `position`, counted from the innermost; fold: with the run inside it folded in.

    fold at position 0, where no run lies inside: flat rows.
    """
    if fold and position == 0:
        flat = flat_rows(shape)
        assert flat is not None, "the schedule is legal"
        return Rows(flat.tiled, None, flat.outer)
    if not shape.pixels:
        return Rows(Run((Axis("one", 1),), 1, 0, 0), None, ())
    at = len(shape.pixels) - 1 - position
    inner = shape.pixels[at + 1 : at + 2] if fold else ()
    outer = shape.pixels[:at] + shape.pixels[at + 1 + len(inner) :]
    return Rows(shape.pixels[at], inner[0] if inner else None, outer)


def register_lanes(shape: Shape, target: Target) -> int:
    """Elements of the accumulators' type in a register."""
    return target.vector_bytes // shape.accumulator.size_bytes


def dot_lanes(shape: Shape, target: Target) -> int:
    """Elements of k that a dot tile takes at once: a full register, or fewer if k is shorter."""
    extent = shape.reduce[-1].extent
    full = register_lanes(shape, target)
    return full if not isinstance(extent, int) else min(full, 1 << max(0, extent.bit_length() - 1))


def sums_in_memory(shape: Shape, options: ContractionOptions) -> int:
    """Scratch memory of a tile's sums where rows are stored in a loop, in whole cache lines [bytes]."""
    rows = options.rows * rows_of(shape, options.axis, options.fold).per_step
    return -(-rows * options.width * shape.accumulator.size_bytes // 64) * 64
