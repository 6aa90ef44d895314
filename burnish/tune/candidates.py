"""Choose the schedules of a task to time: the cost model's best ones, but not too many of one kind.

level      0     1     2     3     4     5
schedules  none  2     4     8     16    every one

Schedules are of one kind if their leading options agree: the form and the tile of a product, the block of a loop.
Variants of one tile are often equally fast. If the cost model is wrong, it is wrong about a whole kind. So at most a
quarter of the candidates is of one kind, as long as there are others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from burnish.kernels.schedule import Schedule

COUNTS = (0, 2, 4, 8, 16, 1 << 30)  # by level
LEADING = 4  # options that make a kind
SHARE = 4


def candidates(offered: Sequence[Schedule], level: int) -> list[Schedule]:
    """The candidates of a level, chosen from the template's schedules, in the same order: the best first."""
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
