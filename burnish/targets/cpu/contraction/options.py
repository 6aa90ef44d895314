"""The options of a contraction's schedule on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from burnish.targets.cpu.cpu_template import CpuOptions


@dataclass(frozen=True)
class ContractionOptions(CpuOptions):
    """A tile of rows x vectors sums stays in registers while the whole depth is added to it.

    form      tile: A broadcast, B by columns; dot: vectors along the depth; narrow, pairs: as tile, with B kept in 16
              bits and made f32 at each use, or multiplied with a narrow A by pairs of k; quads: bytes, four k each;
              bytes: the same without VNNI, in words that never saturate;
              tiles: products of whole tiles of 16 x 16 sums, in units of several (unit.py);
              parts: the same of f32 numbers, each as three bf16 parts (write_parts.py);
              copied: as tile, with a panel of B whose columns lie apart copied to scratch memory first;
              codes: B in few bits, widened in registers for few rows, or once for all rows of a panel (few_bits.py);
              sparse: B without its zeros, expanded in registers (sparse.py)
    rows      steps of a tile along the tiled run of pixels; in tiles and parts rows of a unit, 16 to a row tile
    vectors   registers of a tile across its columns; in the dot form 1; in tiles and parts column tiles
    lanes     elements of a register; in the dot form columns of a tile
    unroll    steps of the innermost loop over the depth that are written out; in tiles and parts the k of one product,
              which decides how sums are rounded
    axis      the run of pixels that a tile's rows follow: 0 is the innermost run, 1 the next outer one
    fold      the innermost run lies within each row step, so that a tile spans both (axis 1); in tiles and parts also
              rows that run on over its ends as A lies (axis 0)
    block     row tiles that share a panel of B before the next panel comes; 0: all of them
    prefetch  steps of k between the prefetch of a part of the panel and its use; 0: no prefetch
    spread    row tiles that share the prefetch of the next panel, a power of two; 0: it is not prefetched
    serial    thread 0 does everything
    """

    template: ClassVar[str] = "contraction"
    form: str
    rows: int
    vectors: int
    lanes: int
    unroll: int
    axis: int
    fold: bool
    block: int
    prefetch: int
    spread: int
    serial: bool

    @property
    def width(self) -> int:
        """Columns of a panel of B."""
        return self.vectors * self.lanes

    @property
    def is_serial(self) -> bool:
        return self.serial

    @property
    def widens_weights(self) -> bool:
        return self.form == "narrow"
