"""Stores the rows of a finished unit while the next unit is multiplied: a share of them in each step.

The tile unit works on its own, so the epilogue's vector code costs little if it finds time between the steps. The rows
of a share are part of one row tile, or whole row tiles: nothing is asked or chosen for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from llvmlite import ir

from burnish.ops.language.expr import Axis
from burnish.targets.cpu.builder import I8, KernelBuilder
from burnish.targets.cpu.contraction.unit import Unit
from burnish.targets.cpu.register_tile.matrix import ROW_BYTES, ROWS
from burnish.targets.cpu.register_tile.matrix import Rows as Place

_WRITTEN_OUT = 3  # rows of a share that are written without a loop


@dataclass(frozen=True, slots=True)
class Share:
    """What is stored in one step: `rows` of one row tile, or all rows of each of `tiles` row tiles.

    parts: shares of a row tile; steps: until all rows are stored
    """

    tiles: int
    rows: int
    parts: int
    steps: int


def share_of(unit: Unit) -> Share:
    """Rows spread over a unit's steps as evenly as row tiles allow."""
    each = -(-unit.rows * unit.height // unit.slab_steps)
    if each >= unit.height:
        tiles = next(t for t in range(-(-each // unit.height), unit.rows + 1) if unit.rows % t == 0)
        return Share(tiles, unit.height, 1, unit.rows // tiles)
    rows = next(r for r in range(each, unit.height + 1) if unit.rows * -(-unit.height // r) <= unit.slab_steps)
    parts = -(-unit.height // rows)
    return Share(1, rows, parts, unit.rows * parts)


@dataclass(frozen=True)
class RowTile:
    """One row tile: the values of the outer axes, its first row, and how many of its rows belong to the tile before."""

    outer: Mapping[Axis, ir.Value]
    start: ir.Value
    first: ir.Value


@dataclass(frozen=True)
class FinishedUnit:
    """A unit whose sums are complete, as the code sees it that stores its rows.

    exists    is there such a unit? (Not before the first one is finished.)
    is_whole  no unit has row tiles that are lower, that share rows, or that do not exist
    sums      where they lie; kind: a vector of them
    store     stores a row: its row tile, its number in it, its sums
    mend      looks at a row's sums in memory before that, and may replace them
    """

    k: KernelBuilder
    unit: Unit
    exists: ir.Value
    is_whole: bool
    tiles: Sequence[RowTile]
    height: ir.Value
    sums: Place
    kind: ir.Type
    store: Callable[[RowTile, ir.Value, Sequence[ir.Value]], None]
    mend: Callable[[RowTile, ir.Value, ir.Value], None] | None = None

    def store_share(self, share: Share, step: ir.Value) -> None:
        """Store the rows that fall to a step."""
        k = self.k
        number = k.ir.mul(k.ir.udiv(step, k.i64(share.parts)), k.i64(share.tiles))
        part = k.ir.urem(step, k.i64(share.parts))
        for other in range(share.tiles):
            self._store_part(k.ir.add(number, k.i64(other)), k.ir.mul(part, k.i64(share.rows)), share)

    def store_all(self) -> None:
        """Store every row."""
        with self.k.loop(0, self.unit.rows) as loop:
            self._store_part(loop.index, self.k.i64(0), Share(1, self.unit.height, 1, self.unit.rows))

    def _store_part(self, number: ir.Value, begin: ir.Value, share: Share) -> None:
        """Rows from `begin` on of a row tile, as many as the share has."""
        k = self.k
        tile = self._tile(number)
        sums = k.address(self.sums.place, k.ir.mul(self.sums.stride, k.ir.mul(number, k.i64(ROWS))), I8)
        if self.is_whole and share.rows * share.parts == self.unit.height and share.rows <= _WRITTEN_OUT:
            with k.when(self.exists):
                for n in range(share.rows):
                    self._store(tile, sums, k.ir.add(begin, k.i64(n)))
            return
        end = k.minimum(k.ir.add(begin, k.i64(share.rows)), self.height)
        begin = k.ir.select(k.ir.icmp_signed("<", begin, tile.first), tile.first, begin)
        with k.loop(begin, k.ir.select(self.exists, end, k.i64(0))) as loop:
            self._store(tile, sums, loop.index)

    def _store(self, tile: RowTile, sums: ir.Value, row: ir.Value) -> None:
        k = self.k
        place = k.address(sums, k.ir.mul(row, self.sums.stride), I8)
        if self.mend is not None:
            self.mend(tile, row, place)
        columns = range(self.unit.columns)
        self.store(tile, row, [k.load(k.address(place, c * ROW_BYTES, I8), self.kind, ROW_BYTES) for c in columns])

    def _tile(self, number: ir.Value) -> RowTile:
        """The row tile of a number known only in the loop."""
        found = self.tiles[0]
        for n, other in enumerate(self.tiles[1:], 1):
            is_this = self.k.ir.icmp_signed(">=", number, self.k.i64(n))
            found = RowTile(
                {a: self._choose(is_this, v, found.outer[a]) for a, v in other.outer.items()},
                self._choose(is_this, other.start, found.start),
                self._choose(is_this, other.first, found.first),
            )
        return found

    def _choose(self, condition: ir.Value, then: ir.Value, otherwise: ir.Value) -> ir.Value:
        return then if then is otherwise else self.k.ir.select(condition, then, otherwise)
