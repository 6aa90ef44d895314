"""Orders the schedules of loops and windows so that the first ones, which tuning measures, differ from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from burnish.kernels.schedule import Option, Options

VARIED = 8  # schedules, at the front
Kind = TypeVar("Kind", bound=Options)


def varied(ranked: Sequence[Kind], limits: Mapping[tuple[str, ...], int]) -> list[Kind]:
    """The best one; then, up to VARIED in all, the best of which at most `limits` agree in some options; then the rest.

    A cost model that is wrong about one option is wrong about all that share it.
    """
    used: Counter[tuple[tuple[str, ...], tuple[Option, ...]]] = Counter()
    chosen: list[Kind] = []
    for options in ranked:
        traits = [(names, tuple(getattr(options, n) for n in names)) for names in limits]
        if len(chosen) < VARIED and all(used[names, shared] < limits[names] for names, shared in traits):
            chosen.append(options)
            used.update(traits)
    first = set(chosen)
    return chosen + [s for s in ranked if s not in first]
