"""The usual value of a dim. Cost models, the choice of tactics and every estimate of work use it.

There is one rule: a symbol has its value at the profile's opt shapes, or 64 if nothing is known about it. A division by
0 gives 0. An empty axis is 0 here, so a formula that divides by a size must write `max(1, ...)` itself.
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
    """The number of elements of a tensor. An empty axis counts as one element, so sizes can still be compared."""
    return math.prod(max(1, usual_size(n, sizes)) for n in extents)
