"""How the rows of a register tile walk a contraction's runs, and how many lanes fit."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim
from burnish.kernels.contraction_runs import Run, Shape
from burnish.ops.language.expr import Axis
from burnish.target import Target


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


def rows_of(shape: Shape, position: int, fold: bool) -> Rows:
    """Rows over the run at `position`, counted from the innermost; fold: with the run inside it folded in."""
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
