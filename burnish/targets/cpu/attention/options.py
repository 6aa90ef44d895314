"""The options of an attention's schedule on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from burnish.targets.cpu.cpu_template import CpuOptions


@dataclass(frozen=True)
class AttentionOptions(CpuOptions):
    """A unit of work is some tiles of queries of one head; it goes over the keys block by block.

    rows     queries of a tile; 32: products of tiles (tile_products.py), fewer: of vectors
    vectors  registers of a tile across the keys, or across the values' columns
    lanes    elements of a register
    tiles    tiles of a unit
    keys     keys of a block
    serial   thread 0 does everything
    """

    template: ClassVar[str] = "attention"
    rows: int
    vectors: int
    lanes: int
    tiles: int
    keys: int
    serial: bool

    @property
    def is_serial(self) -> bool:
        return self.serial
