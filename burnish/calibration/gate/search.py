"""Find the cheapest set of layers that must leave int8 so that an error budget is met.

Pure logic over a function that measures a set: first all layers together; then groups of neighbours, each alone; then
the layers of the groups that matter; then, by error for each millisecond saved, the shortest beginning of that list
whose removal meets the budget, by bisection; last, whether the dearest of them can come back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Error = Callable[[frozenset[str]], float]  # of a set of layers in int8: how far beyond the budget
ALONE = 40  # measurements of layers and groups alone
RETURNS = 6  # of layers that are tried in int8 once more


@dataclass
class Found:
    """kept: layers that stay f32. alone: each layer's own error. curve: (kept, excess), as measured.

    is_met: by layers of which at least one is in int8
    """

    kept: frozenset[str]
    is_met: bool
    alone: dict[str, float] = field(default_factory=dict)
    curve: list[tuple[frozenset[str], float]] = field(default_factory=list)


def search(layers: Sequence[str], saved_ms: Mapping[str, float], error: Error) -> Found:
    """The set to keep in f32. error: 0 or less where the budget is met; saved_ms: what int8 saves of each layer."""
    every, found = frozenset(layers), Found(frozenset(), True)

    def excess(kept: frozenset[str]) -> float:
        value = error(every - kept)
        found.curve.append((kept, value))
        return value

    if excess(frozenset()) <= 0:
        return found
    found.is_met = excess(every) <= 0
    if not found.is_met:
        return found
    found.alone = _alone(layers, error)
    order = sorted(layers, key=lambda name: -found.alone[name] / max(saved_ms.get(name, 0.0), 1e-3))
    low, high = 0, len(order)  # raising `low` is not enough, raising `high` is
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if excess(frozenset(order[:middle])) <= 0 else (middle, high)
    kept = frozenset(order[:high])
    for name in sorted(kept, key=lambda name: -saved_ms.get(name, 0.0))[:RETURNS]:
        if len(kept) > 1 and excess(kept - {name}) <= 0:
            kept -= {name}
    found.kept, found.is_met = kept, kept != every
    return found


def _alone(layers: Sequence[str], error: Error) -> dict[str, float]:
    """Each layer's error when it alone is in int8, above that of none; of a group's layers an equal share at first."""
    base = error(frozenset())
    groups = [(name,) for name in layers] if len(layers) <= ALONE else _neighbours(layers, ALONE // 2)
    spent, errors = len(groups), dict[str, float]()
    measured = [(error(frozenset(group)) - base, group) for group in groups]
    measured.sort(key=lambda entry: -entry[0])
    for value, group in measured:
        if len(group) > 1 and spent + len(group) <= ALONE:
            errors |= {name: error(frozenset([name])) - base for name in group}
            spent += len(group)
        else:
            errors |= dict.fromkeys(group, value / len(group))
    return errors


def _neighbours(layers: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """At most `count` groups of layers that follow one another."""
    size = -(-len(layers) // count)
    return [tuple(layers[i : i + size]) for i in range(0, len(layers), size)]
