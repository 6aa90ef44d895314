"""Sums in an order of their own, the same on every machine: of codes, whose sums and means lie on ties of the next Q.

    pool      four lanes sum every fourth element each; then (0 + 2) + (1 + 3), then the elements that are left
    rows      eight lanes of eight, then those of the upper four are added to the lower four, then four elements that
              are left, then as above: rows of a multiple of four elements

Both are ONNX Runtime's (MLAS for GlobalAveragePool, Eigen in SSE for reductions over last axes). Its order in rows of
other lengths depends on where each row begins in memory; they are summed in the pool's order here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from burnish.dtypes import DType
from burnish.ops.language.definition import Index, Tensor
from burnish.ops.language.expr import Expr, axis, const, fresh_axis, reduce

LANES = 4
LONGEST = 64  # terms: a target sums as many one after the other, more in parts


def sum_of_plane(x: Tensor, axes: Sequence[int], index: Index) -> Expr | None:
    """The sum of x over its last axes in the pool's order; None if that order cannot be kept."""
    elements = _elements(x, axes)
    return None if elements is None else _in_lanes(elements, _element_of(x, axes, index), LANES)


def sum_of_row(x: Tensor, axes: Sequence[int], index: Index) -> Expr | None:
    """The sum of x over its last axes in the rows' order, or the pool's; None if neither can be kept."""
    elements = _elements(x, axes)
    if elements is None:
        return None
    return _in_lanes(elements, _element_of(x, axes, index), LANES if elements % LANES else 2 * LANES)


def _elements(x: Tensor, axes: Sequence[int]) -> int | None:
    """The number of elements if x is summed over its last axes, of known extents, and they are few enough."""
    if sorted(axes) != list(range(x.rank - len(axes), x.rank)) or x.dtype is not DType.F32:
        return None
    extents = [n for n in (x.shape[a] for a in axes) if isinstance(n, int)]
    count = math.prod(extents)
    return count if len(extents) == len(axes) and 1 < count <= LANES * LONGEST else None


def _element_of(x: Tensor, axes: Sequence[int], index: Index) -> Callable[[Expr], Expr]:
    """x at an element of the last axes, which is counted through all of them."""

    def element(number: Expr) -> Expr:
        place = list[Expr]()
        for extent in reversed([x.shape[a] for a in sorted(axes)][1:]):
            place, number = [number % extent, *place], number // extent
        return x[(*index[: x.rank - len(axes)], number, *place)]

    return element


def _in_lanes(count: int, element: Callable[[Expr], Expr], lanes: int) -> Expr:
    whole = count // lanes
    done, parts = whole * lanes, list[Expr]()
    if whole:
        step = fresh_axis(whole)
        parts = [reduce("sum", (step,), element(axis(step) * lanes + n)) for n in range(lanes)]
        parts = [parts[n] + parts[n + LANES] for n in range(LANES)] if lanes > LANES else parts
    if count - done >= LANES:
        more = [element(const(done + n, DType.I64)) for n in range(LANES)]
        parts, done = [a + b for a, b in zip(parts, more)] if parts else more, done + LANES
    left = [element(const(n, DType.I64)) for n in range(done, count)]
    first = [(parts[0] + parts[2]) + (parts[1] + parts[3])] if parts else []
    return functools.reduce(lambda a, b: a + b, [*first, *left])
