"""Which schedules of a task are timed: the cost model's favourites, but not too many of one kind.

level      0     1     2     3     4     5
schedules  none  2     4     8     16    every one

Schedules are of one kind if their leading options agree (of a product the form and the tile, of a loop its block), and
variants of one tile are often as fast as each other. Where the cost model is wrong, it is wrong about a kind: so of one
kind a quarter of the candidates is timed at most, as long as there are others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from burnish.kernels.schedule import Schedule

COUNTS = (0, 2, 4, 8, 16, 1 << 30)  # by level
LEADING = 4  # options that make a kind
SHARE = 4


def candidates(offered: Sequence[Schedule], level: int) -> list[Schedule]:
    """Those of a level, out of the template's, in the same order: the best first."""
    count = COUNTS[level]
    if len(offered) <= count:
        return list(offered)
    kinds: Counter[object] = Counter()
    chosen: list[int] = []
    others: list[int] = []
    for n, schedule in enumerate(offered):
        kind = (schedule.template, schedule.options[:LEADING])
        kinds[kind] += 1
        (chosen if kinds[kind] <= max(1, count // SHARE) else others).append(n)
    return [offered[n] for n in sorted([*chosen, *others][:count])]
