"""The order in which schedules of loops and windows are offered: the first ones, which tuning times, differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from burnish.kernels.schedule import Schedule

VARIED = 8  # schedules, at the front


def varied(ranked: Sequence[Schedule], limits: Mapping[tuple[str, ...], int]) -> list[Schedule]:
    """The best; then, up to VARIED in all, the best of which at most `limits` agree in some options; then the rest.

    A cost model that is wrong about one option is wrong about all that share it.
    """
    used: Counter[tuple[tuple[str, ...], tuple[int | str, ...]]] = Counter()
    chosen: list[Schedule] = []
    for schedule in ranked:
        traits = [(names, tuple(schedule[n] for n in names)) for names in limits]
        if len(chosen) < VARIED and all(used[names, shared] < limits[names] for names, shared in traits):
            chosen.append(schedule)
            used.update(traits)
    first = set(chosen)
    return chosen + [s for s in ranked if s not in first]
