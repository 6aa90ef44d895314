"""Dimensions that must agree, indices that must be inside: decided now if they are numbers, otherwise left to the run.

A definition says `agree(a.shape[1], b.shape[0], "the inner axes")` and may then take either for the other. It says
`inside(indices, x, axis)` and may then clamp the indices: the run is refused where that changes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from burnish.dims import Dim, format_shape, modulo
from burnish.ops.language.definition import Shape, Tensor
from burnish.ops.language.expr import Expr
from burnish.ops.language.ordering import is_at_least, limits, smaller
from burnish.ops.registry import Misfit
from burnish.requirement import HOLDS, WORDS


@dataclass(frozen=True, slots=True)
class Claim:
    """A requirement without its node; see requirement.Requirement."""

    what: str
    left: Dim
    right: Dim
    rule: str


@dataclass(frozen=True, slots=True)
class IndexClaim:
    """Indices known only during the run must be at least `low` and at most `high`; see index_check.IndexCheck.

    coordinate: of the last axis of the indices, if the claim is about one coordinate of points
    where:      the node and its inputs, once they are known
    """

    what: str
    indices: Tensor
    low: Dim
    high: Dim
    coordinate: int | None = None
    where: str = ""


@contextmanager
def claims() -> Iterator[list[Claim | IndexClaim]]:
    """Collect the claims that definitions make in this context."""
    found: list[Claim | IndexClaim] = []
    token = _claims.set(found)
    try:
        yield found
    finally:
        _claims.reset(token)


def agree(left: Dim, right: Dim, what: str, rule: str = "equal") -> Dim:
    """Claim that `left` and `right` satisfy the rule of requirement.HOLDS; returns the one that is known more exactly.

    raises: Misfit where no run can satisfy it
    """
    if isinstance(left, int) and isinstance(right, int):
        if not HOLDS[rule](left, right):
            raise Misfit(f"{what} are {left} and {right}; {WORDS[rule]}")
    elif left != right and not _always(left, right, rule):
        if _never(left, right, rule):
            raise Misfit(f"{what} are {left} and {right}; {WORDS[rule]}")
        found, claim = _claims.get(), Claim(what, left, right, rule)
        if found is not None and claim not in found:
            found.append(claim)
    return right if isinstance(right, int) else left


def agree_at(left: Tensor, a: int, right: Tensor, b: int, rule: str = "equal") -> Dim:
    """`agree` for axis a of one tensor and axis b of another."""
    a, b = a % left.rank, b % right.rank
    return agree(left.shape[a], right.shape[b], f"axis {a} of '{left.name}' and axis {b} of '{right.name}'", rule)


def not_empty(x: Tensor, axis: int, where: Dim = 1) -> None:
    """Claim that an axis is not empty if `where`, a number of elements, is not 0."""
    what = f"what is read and axis {axis} of '{x.name}', which must not be empty"
    agree(smaller(1, where), smaller(1, x.shape[axis]), what, "at_most")


def scalar(tensor: Tensor) -> Expr:
    """The one element of a tensor, which may have axes of size 1."""
    for a in range(tensor.rank):
        agree(tensor.shape[a], 1, f"axis {a} of '{tensor.name}', which must hold one element, and 1")
    return tensor[(0,) * tensor.rank]


def agree_all(left: Shape, right: Shape, what: str, rule: str = "equal") -> None:
    """`agree` for two shapes, axis by axis from the last one; a shape of fewer axes fits where the rule stretches."""
    if len(left) > len(right) or (rule == "equal" and len(left) != len(right)):
        raise Misfit(f"{what}: {format_shape(left)} and {format_shape(right)}")
    text = f"{format_shape(left)} and {format_shape(right)} ({what})"
    for axis, (a, b) in enumerate(zip(reversed(left), reversed(right)), start=1):
        agree(a, b, f"axis {-axis} of {text}", rule)


def inside(indices: Tensor, x: Tensor, axis: int, coordinate: int | None = None) -> None:
    """Claim that all indices lie on an axis of x, counted from its start or its end: -extent <= index < extent.

    raises: Misfit for an index that is known and can never lie there
    """
    extent = x.shape[axis]
    what = f"'{indices.name}' into axis {axis} of '{x.name}'"
    inside_range(indices, -extent, extent - 1, what, coordinate)


def inside_range(indices: Tensor, low: Dim, high: Dim, what: str, coordinate: int | None = None) -> None:
    """`inside` for any range, both ends included."""
    known = _known_indices(indices, coordinate)
    if known is None:
        found, claim = _claims.get(), IndexClaim(what, indices, low, high, coordinate)
        if found is not None and claim not in found:
            found.append(claim)
    elif known:
        least, most = known
        if (isinstance(low, int) and least < low) or (isinstance(high, int) and most > high):
            raise Misfit(f"indices {least} to {most}: {what}, where {low} to {high} are allowed")
        span = f"indices {least} to {most} and the range {low} to {high}: {what}"
        if not isinstance(low, int) and least < 0:
            agree(low, least, span, "at_most")
        if not isinstance(high, int) and most >= 0:
            agree(most, high, span, "at_most")


def _known_indices(indices: Tensor, coordinate: int | None) -> list[int] | None:
    """The indices that the model states. None if some of them are known only during the run."""
    array = indices.array
    if array is None:
        if indices.elements is None or not all(isinstance(e, int) for e in (*indices.elements, *indices.shape)):
            return None
        array = np.asarray(indices.elements, np.int64).reshape([int(str(d)) for d in indices.shape])
    chosen = array if coordinate is None else array[..., coordinate]
    return [int(chosen.min()), int(chosen.max())] if chosen.size else []


def _always(left: Dim, right: Dim, rule: str) -> bool:
    """Whether every value of the symbols satisfies the rule."""
    if rule == "at_most":
        return is_at_least(right, left)
    if rule == "above":
        return is_at_least(left, right + 1)
    if rule == "multiple":
        low, high = limits(right)
        return (left == 0 or modulo(left, right) == 0) and not low <= 0 <= high
    return rule in ("broadcast", "stretch") and (left == 1 or (rule == "broadcast" and right == 1))


def _never(left: Dim, right: Dim, rule: str) -> bool:
    """Whether it is known that no value of the symbols can satisfy the rule."""
    low, high = limits(left - right)
    if rule in ("at_most", "above"):
        return low > 0 if rule == "at_most" else high <= 0
    if rule == "multiple" or low <= 0 <= high:
        return False
    ones: Sequence[Dim] = {"equal": (), "stretch": (left,), "broadcast": (left, right)}[rule]
    return not any(limits(d)[0] <= 1 <= limits(d)[1] for d in ones)


_claims: ContextVar[list[Claim | IndexClaim] | None] = ContextVar("claims", default=None)
