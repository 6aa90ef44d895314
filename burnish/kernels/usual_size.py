"""A dim at the usual sizes: what cost models, the choice of tactics and everything that weighs work go by.

The one rule: a symbol has its value at the profile's opt shapes, or 64 where nothing is known of it; a quotient by
nothing is 0. An empty axis is 0 here; a formula that divides by a size says `max(1, ...)` itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from burnish.dims import Dim, evaluate, symbols

UNKNOWN = 64  # a symbol of which nothing is known


def usual_size(dim: Dim, sizes: Mapping[str, int]) -> int:
    """sizes: the usual value of each symbol."""
    try:
        return evaluate(dim, {name: sizes.get(name, UNKNOWN) for name in symbols(dim)})
    except ZeroDivisionError:
        return 0


def usual_count(extents: Iterable[Dim], sizes: Mapping[str, int]) -> int:
    """How many elements a tensor has; an empty axis counts as one element, so that there is something to compare."""
    return math.prod(max(1, usual_size(n, sizes)) for n in extents)
