"""Find the cheapest set of layers that must leave the narrow precision so that an error budget is met.

Pure logic over a function that measures a set: first all layers together; then groups of neighbours, each alone; then
the layers of the groups that matter; then, by error for each millisecond saved, the shortest beginning of that list
whose removal meets the budget, by bisection; last, whether the dearest of them can come back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

ALONE = 36  # measurements of layers and groups alone
RETURNS = 6  # of layers that are tried in the narrow precision once more
MOST = 52  # measurements in all
TIE = 1e-3  # weight of the noise beside the budget's own error: it decides where a budget cannot tell (top1 of few)


class Error(NamedTuple):
    """Of a set of narrow layers. excess: how far beyond the budget, met at 0 or less; noise: a finer measure."""

    excess: float
    noise: float = 0.0

    @property
    def weight(self) -> float:
        """What grows with the layers in the set."""
        return min(self.excess, 1e30) + TIE * min(self.noise, 1e30)


Measure = Callable[[frozenset[str]], Error]


@dataclass
class Found:
    """kept: layers that stay wide. costs: each layer's own error, or its share of its group's.

    is_met: by layers of which at least one is narrow; curve: sets that were measured as a whole, as kept
    """

    kept: frozenset[str]
    is_met: bool
    costs: dict[str, float] = field(default_factory=dict)
    curve: list[frozenset[str]] = field(default_factory=list)


def search(layers: Sequence[str], saved_ms: Mapping[str, float], measure: Measure) -> Found:
    """The set to keep wide. saved_ms: what the narrow form saves of each layer."""
    every, found, seen = frozenset(layers), Found(frozenset(), True), dict[frozenset[str], Error]()

    def error(chosen: frozenset[str]) -> Error:
        if chosen not in seen:
            seen[chosen] = measure(chosen)
        return seen[chosen]

    def is_met(kept: frozenset[str]) -> bool:
        if kept not in found.curve:
            found.curve.append(kept)
        return error(every - kept).excess <= 0

    if is_met(frozenset()):
        return found
    found.is_met = is_met(every)
    found.costs = _costs(layers, error)
    if not found.is_met:
        return found
    order = sorted(layers, key=lambda name: -found.costs[name] / max(saved_ms.get(name, 0.0), 1e-3))
    low, high = 0, len(order)  # raising `low` is not enough, raising `high` is
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_met(frozenset(order[:middle])) else (middle, high)
    kept = frozenset(order[:high])
    for name in sorted(kept, key=lambda name: -saved_ms.get(name, 0.0))[:RETURNS]:
        if len(kept) > 1 and len(seen) < MOST and is_met(kept - {name}):
            kept -= {name}
    found.kept, found.is_met = kept, kept != every
    return found


def _costs(layers: Sequence[str], error: Measure) -> dict[str, float]:
    """Each layer's error when it alone is narrow, above that of none; of a group's layers an equal share at first."""
    base = error(frozenset()).weight
    groups = [(name,) for name in layers] if len(layers) <= ALONE else _neighbours(layers, ALONE // 2)
    spent, errors = len(groups), dict[str, float]()
    measured = [(error(frozenset(group)).weight - base, group) for group in groups]
    measured.sort(key=lambda entry: -entry[0])
    for value, group in measured:
        if len(group) > 1 and spent + len(group) <= ALONE:
            errors |= {name: error(frozenset([name])).weight - base for name in group}
            spent += len(group)
        else:
            errors |= dict.fromkeys(group, value / len(group))
    return errors


def _neighbours(layers: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """At most `count` groups of layers that follow one another."""
    size = -(-len(layers) // count)
    return [tuple(layers[i : i + size]) for i in range(0, len(layers), size)]
