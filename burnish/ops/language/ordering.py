"""Compare dimensions: which one is smaller or larger for all values of their symbols.

Symbols are sizes, so they are never negative (an axis may be empty); inside `sizes_within` they are what a profile
allows. `smaller` and `larger` are min and max, simplified wherever one side is known to win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from burnish.dims import Dim, DimExpr, Operation, bounds, maximum, minimum
from burnish.ops.language.definition import Tensor

MOST_KNOWN = 1 << 14
LARGEST = 1_000_000_000  # no axis that a symbol names is longer; exporters write it for "to the end"


@contextmanager
def sizes_within(ranges: Mapping[str, tuple[int, int]]) -> Iterator[None]:
    """Inside this context, symbols are limited to these (min, max). Other symbols may have any size."""
    token = _sizes.set(_Sizes(ranges))
    try:
        yield
    finally:
        _sizes.reset(token)


def limits(dim: Dim) -> tuple[int, int]:
    """(low, high) for every value of the symbols."""
    if isinstance(dim, int):
        return dim, dim
    sizes = _sizes.get()
    found = sizes.known.get(dim)  # the same few dims are asked about at every node
    if found is None:
        if len(sizes.known) >= MOST_KNOWN:
            sizes.known.clear()
        found = sizes.known[dim] = bounds(dim, sizes)
    return found


def is_at_least(left: Dim, right: Dim) -> bool:
    """Whether left >= right for every value of the symbols (False also where it depends)."""
    if limits(left - right)[0] >= 0:
        return True
    name, one, other = _extreme(left)
    if name:
        wins = (is_at_least(one, right), is_at_least(other, right))
        if any(wins) if name == "max" else all(wins):
            return True
    name, one, other = _extreme(right)
    if name:
        wins = (is_at_least(left, one), is_at_least(left, other))
        return any(wins) if name == "min" else all(wins)
    return False


def are_different(left: Dim, right: Dim) -> bool:
    """Whether left != right for every value of the symbols."""
    low, high = limits(left - right)
    return low > 0 or high < 0


def larger(left: Dim, right: Dim) -> Dim:
    """max(left, right)"""
    if is_at_least(left, right):
        return left
    return right if is_at_least(right, left) else maximum(left, right)


def smaller(left: Dim, right: Dim) -> Dim:
    """min(left, right)"""
    if is_at_least(left, right):
        return right
    return left if is_at_least(right, left) else minimum(left, right)


def clamp(value: Dim, low: Dim, high: Dim) -> Dim:
    """value, moved into low..high"""
    return smaller(larger(value, low), high)


def difference(left: Dim, right: Dim) -> Dim:
    """left - right; m - max(m - 1, 0) is min(1, m)"""
    name, one, other = _extreme(right)
    if not name:
        return left - right
    return (smaller if name == "max" else larger)(left - one, left - other)


def from_end(position: Dim, length: Dim) -> Dim:
    """A position that counts from the end if it is negative, as in ONNX and Python: -1 -> length - 1."""
    low, high = limits(position)
    if low >= 0:
        return position
    if high < 0:
        return position + length
    is_negative = minimum(1, larger(0, position * -1))
    return position + length * is_negative


def decided(tensor: Tensor) -> Tensor:
    """The tensor, with each dimension that can have only one value as that number: (n + 3) // 4 for n in 1..4 is 1."""
    shape = tuple(map(_number_if_decided, tensor.shape))
    elements = tensor.elements
    if elements is not None and any(isinstance(e, DimExpr) for e in elements):
        elements = tuple(_number_if_decided(e) if isinstance(e, DimExpr) else e for e in elements)
    if shape == tensor.shape and elements is tensor.elements:
        return tensor
    return replace(tensor, shape=shape, elements=elements)


def _number_if_decided(dim: Dim) -> Dim:
    low, high = limits(dim)
    return low if low == high else dim


def _extreme(dim: Dim) -> tuple[str, Dim, Dim]:
    """("max" or "min", its two sides) if the dim is just that; else a name of ""."""
    if isinstance(dim, DimExpr) and len(dim.terms) == 1:
        ((monomial, coefficient),) = dim.terms
        if len(monomial) == 1 and coefficient == 1:
            (atom,) = monomial
            if isinstance(atom, Operation) and atom.name in ("max", "min"):
                return atom.name, atom.left, atom.right
    return "", 0, 0


class _Sizes(dict[str, tuple[int, int]]):
    def __init__(self, ranges: Mapping[str, tuple[int, int]]) -> None:
        super().__init__(ranges)
        self.known: dict[DimExpr, tuple[int, int]] = {}

    def __missing__(self, key: str) -> tuple[int, int]:
        return 0, LARGEST


_sizes: ContextVar[_Sizes] = ContextVar("sizes", default=_Sizes({}))  # noqa: B039  (only `known` is ever written to)
