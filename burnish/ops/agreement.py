"""Dimensions that must agree: decided now where they are numbers, else noted for the runtime to ask.

A definition says `agree(a.shape[1], b.shape[0], "the inner axes")` and may then take either for the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from burnish.dims import Dim, format_shape
from burnish.ops.language.definition import Shape, Tensor
from burnish.ops.language.expr import Expr
from burnish.ops.language.ordering import is_at_least, limits, smaller
from burnish.ops.registry import Misfit
from burnish.requirement import HOLDS, WORDS


@dataclass(frozen=True, slots=True)
class Claim:
    """A requirement that does not know its node yet; see requirement.Requirement."""

    what: str
    left: Dim
    right: Dim
    rule: str


@contextmanager
def claims() -> Iterator[list[Claim]]:
    """Gather what definitions claim in here."""
    found: list[Claim] = []
    token = _claims.set(found)
    try:
        yield found
    finally:
        _claims.reset(token)


def agree(left: Dim, right: Dim, what: str, rule: str = "equal") -> Dim:
    """Claim that `left` and `right` satisfy the rule of requirement.HOLDS; returns the one that is known better.

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
    """Claim that there is something to read on an axis, as soon as `where`, a number of elements, is not 0."""
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


def _always(left: Dim, right: Dim, rule: str) -> bool:
    """Whether every value of the symbols satisfies the rule."""
    if rule == "at_most":
        return is_at_least(right, left)
    if rule == "above":
        return is_at_least(left, right + 1)
    if rule == "multiple":
        return right == 1
    return rule in ("broadcast", "stretch") and (left == 1 or (rule == "broadcast" and right == 1))


def _never(left: Dim, right: Dim, rule: str) -> bool:
    """Whether no value of the symbols can satisfy the rule, for all that is known."""
    low, high = limits(left - right)
    if rule in ("at_most", "above"):
        return low > 0 if rule == "at_most" else high <= 0
    if rule == "multiple" or low <= 0 <= high:
        return False
    ones: Sequence[Dim] = {"equal": (), "stretch": (left,), "broadcast": (left, right)}[rule]
    return not any(limits(d)[0] <= 1 <= limits(d)[1] for d in ones)


_claims: ContextVar[list[Claim] | None] = ContextVar("claims", default=None)
