"""A contraction's schedule, read: the tile of a program and how it is worked through.

form        load: operands by addresses, any strides;  copy: by the copy engine (tensor maps, capability 90 and newer)
m, n, k     pixels and columns of a tile, depth of a step (powers of two)
box         copy: pixels of a tile along each pixel run, outer to inner; their product is m
swap        acc^T = B^T A^T: columns go where the tensor core wants 64 rows or more, so that few pixels do not waste it
flat        load: steps over taps and channels as one run, see axes.py
split       programs that share the sum of one tile; the last of them to come adds the parts, always in the same order
shared      split: every program does a share of the rows, where otherwise the last one does all
band        pixel tiles that neighbouring programs go through before they move on to other columns (L2 reuse)
persistent  programs a processor; each works through many tiles. 0: a program a tile
stagger     cycles that the second program of each processor waits before its first tile: programs that begin together
            multiply together, and leave the tensor cores idle together
early       residuals are asked for before the sum, and wait in registers
prefetch    bring the program's packed B into L2 before waiting for the launch before
precision   f32 products: ieee, tf32x3, tf32
apart       several products: a loop for each, where one could go through all of them; said only where it is so
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod
from typing import Any

from burnish.kernels.schedule import Schedule

TEMPLATE = "contraction"


@dataclass(frozen=True, slots=True)
class Tile:
    """See the module's text. The order of the fields is the order of a schedule's options."""

    form: str
    m: int
    n: int
    k: int
    box: tuple[int, ...] = ()
    swap: bool = False
    flat: bool = False
    split: int = 1
    shared: bool = False
    warps: int = 4
    stages: int = 3
    band: int = 1
    persistent: int = 0
    early: bool = False
    prefetch: bool = False
    precision: str = "ieee"
    apart: bool = False
    stagger: int = 0

    @property
    def schedule(self) -> Schedule:
        """The same as a schedule."""
        options: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("apart", "stagger"):
            if not options[name]:
                del options[name]
        return Schedule.of(TEMPLATE, **(options | {"box": "x".join(map(str, self.box))}))

    @property
    def is_copied(self) -> bool:
        return self.form == "copy"


def tile_of(schedule: Schedule) -> Tile:
    """The tile a schedule says; AssertionError for another template's schedule."""
    assert schedule.template == TEMPLATE, schedule
    options: dict[str, Any] = dict(schedule.options)
    box = tuple(int(n) for n in options["box"].split("x") if n)
    tile = Tile(**(options | {"box": box}))
    assert not box or prod(box) == tile.m, schedule
    return tile
