"""Sums of integers that begin with what is added to them anyway: a number for each column, such as a bias.

    sums = 0;  sums += A B;  then (sums + bias[n]) ...        sums = bias[n];  sums += A B;  then sums ...

Of integers the order does not matter. A tile register is loaded with the bias in every row, in the time in which the
vector units store other sums. They have one addition less to do for each of a few that a code takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from burnish.dtypes import DType
from burnish.kernels.facts import Facts
from burnish.kernels.task import Contraction
from burnish.ops.language.expr import Expr, substitute, walk


@dataclass(frozen=True, slots=True)
class FirstSums:
    """Where the first sums lie: element `offset + n` of a slot."""

    slot: int
    offset: int


def first_sums(kernel: Contraction, width: int) -> tuple[Contraction, FirstSums] | None:
    """The kernel without the addition, and what its sums begin with; None if it has none.

    width: columns that are read at once; they must not end beyond the last one
    """
    extent = kernel.n.extent
    if not isinstance(extent, int) or extent % width:
        return None
    users = {e for s in kernel.stores for e in walk(s.value) if any(a.op == "acc" for a in e.args)}
    if len(users) != 1 or any(s.value.op == "acc" for s in kernel.stores):
        return None
    (total,) = users
    if total.op != "add" or total.dtype is not DType.I32:
        return None
    sums, added = sorted(total.args, key=lambda e: e.op != "acc")
    if added.op != "load" or any(s.slot == added.attr for s in kernel.stores):
        return None
    address = Facts(kernel.slots).address(added.attr, added.args)
    constant = address.form.constant
    if address.atoms or address.form.coefficients != {kernel.n: 1} or not isinstance(constant, int):
        return None

    def without(e: Expr) -> Expr | None:
        return sums if e is total else None

    stores = tuple(replace(s, value=substitute(s.value, without)) for s in kernel.stores)
    return replace(kernel, stores=stores), FirstSums(added.attr, constant)
