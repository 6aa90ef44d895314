"""Requirements on two dimensions that must hold in every run. Models assume them; only actual shapes confirm them.

MatMul of a[m,k] and b[l,n] needs k == l. If both are numbers, the build checks it. Otherwise the plan keeps the
requirement, and the runtime checks it when the shapes are bound (or when data has decided the last symbol).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from burnish.dims import Dim, evaluate, symbols
from burnish.errors import UserError

HOLDS: dict[str, Callable[[int, int], bool]] = {
    "equal": lambda left, right: left == right,
    "broadcast": lambda left, right: left == right or 1 in (left, right),
    "stretch": lambda left, right: left in (1, right),
    "at_most": lambda left, right: left <= right,
    "above": lambda left, right: left > right,
    "multiple": lambda left, right: right != 0 and left % right == 0,
}
WORDS = {
    "equal": "they must be equal",
    "broadcast": "they must be equal, or one of them 1",
    "stretch": "they must be equal, or the first one 1",
    "at_most": "the first one must not be larger",
    "above": "the first one must be larger",
    "multiple": "the first one must be a multiple of the second",
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """`left` and `right` must satisfy `rule`, a key of HOLDS.

    what:  the two dimensions, for messages: "axis 1 of [n,4] and [m,4]"
    where: the node and its inputs
    """

    what: str
    where: str
    left: Dim
    right: Dim
    rule: str

    @property
    def symbols(self) -> frozenset[str]:
        return symbols(self.left) | symbols(self.right)


def unmet(requirement: Requirement, values: Mapping[str, int]) -> UserError | None:
    """E509 if these values of the requirement's symbols break it; None if they satisfy it."""
    left, right = evaluate(requirement.left, values), evaluate(requirement.right, values)
    if HOLDS[requirement.rule](left, right):
        return None
    return UserError(
        "E509",
        f"sizes {left} and {right} do not fit together: {requirement.what}",
        where=requirement.where,
        why=f"the model says {requirement.left} and {requirement.right}: {WORDS[requirement.rule]}",
        hint="give inputs whose sizes agree there",
    )
