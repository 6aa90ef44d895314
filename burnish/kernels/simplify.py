"""Simplify index arithmetic with the known ranges of the axes: conditions, clamps, divisions.

    axis >= 0                         True                      max(min(axis, extent - 1), 0)     axis
    (8*a + b) // 8, 0 <= b < 8        a                         (8*a + b) mod 8                   b
    True and c                        c                         where(True, x, y)                 x

Exact for integers. `simplify` does not change floating-point expressions. `multiply_by_softmax_factor` does:

    exp(x - max(x)) / sum(exp(x - max(x)))        exp(x - max(x)) * (1 / sum(exp(x - max(x))))
"""

from __future__ import annotations

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.facts import Facts
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import COMPARE, Expr, Linear, binary, const, from_linear, linear, substitute, unary


def simplify(kernel: Loops) -> Loops:
    """The same kernel with simpler indexes and conditions."""
    facts = Facts(kernel.slots)

    def replace(e: Expr) -> Expr | None:
        if e.op in COMPARE and e.args[0].dtype is DType.I64:
            return _compare(facts, e)
        if e.dtype is DType.BOOL and e.op in ("and", "or"):
            return _logic(e)
        if e.dtype is not DType.I64:
            return None
        if e.op in ("min", "max"):
            return _extreme(facts, e)
        if e.op in ("floordiv", "mod"):
            return _division(facts, e)
        return None

    stores = tuple(
        Store(s.slot, tuple(substitute(i, replace) for i in s.index), substitute(s.value, replace))
        for s in kernel.stores
    )
    return Loops(kernel.slots, kernel.domain, stores)


def multiply_by_softmax_factor(kernel: Loops) -> Loops:
    """Divide by a softmax's total once per row, not once per element.

    The total is at least 1, so its reciprocal is safe.
    """

    def replace(e: Expr) -> Expr | None:
        if e.op != "div" or not _is_softmax_total(e.args[1]):
            return None
        return e.args[0] * unary("reciprocal", e.args[1])

    stores = tuple(Store(s.slot, s.index, substitute(s.value, replace)) for s in kernel.stores)
    return Loops(kernel.slots, kernel.domain, stores)


def _is_softmax_total(expr: Expr) -> bool:
    """sum over an axis of exp(x - max over that axis of x)"""
    if expr.op != "reduce" or expr.attr[0] != "sum" or expr.args[0].op != "exp":
        return False
    shifted = expr.args[0].args[0]
    return shifted.op == "sub" and shifted.args[1].op == "reduce" and shifted.args[1].attr[0] == "max"


def _compare(facts: Facts, e: Expr) -> Expr | None:
    low, high = facts.difference(*e.args)
    truth = {
        "lt": (_is(low, 1), _is_below(high, 1)), "le": (_is(low, 0), _is_below(high, 0)),
        "gt": (_is_below(high, 0), _is(low, 0)), "ge": (_is_below(high, 1), _is(low, 1)),
        "eq": (low == high == 0, _is(low, 1) or _is_below(high, 0)),
        "ne": (_is(low, 1) or _is_below(high, 0), low == high == 0),
    }[e.op]  # fmt: skip
    if truth[0] or truth[1]:
        return const(truth[0], DType.BOOL)
    return None


def _is(low: Dim, bound: int) -> bool:
    """Is every value from `low` upwards at least the bound?"""
    return isinstance(low, int) and low >= bound


def _is_below(high: Dim, bound: int) -> bool:
    return isinstance(high, int) and high < bound


def _logic(e: Expr) -> Expr | None:
    decides = e.op == "or"  # the value of one side that settles the whole
    for side, other in (e.args, e.args[::-1]):
        if side.op == "const":
            return side if side.attr is decides else other
    return e.args[0] if e.args[0] is e.args[1] else None


def _extreme(facts: Facts, e: Expr) -> Expr | None:
    low, high = facts.difference(*e.args)
    first, second = e.args
    if _is(low, 0):  # first <= second
        return first if e.op == "min" else second
    if isinstance(high, int) and high <= 0:
        return second if e.op == "min" else first
    return None


def _division(facts: Facts, e: Expr) -> Expr | None:
    """Pull whole multiples of the divisor out."""
    value, divisor = e.args
    if divisor.op != "const" or divisor.attr <= 0:
        return None
    n = int(divisor.attr)
    low, high = facts.range(value)
    if low >= 0 and high < n:
        return value if e.op == "mod" else const(0, DType.I64)
    form = linear(value)
    if form is None or not all(isinstance(c, int) for c in (*form.coefficients.values(), form.constant)):
        return None
    whole, rest = _split(form, n)
    if not whole.coefficients and whole.constant == 0:
        return None
    left = from_linear(rest)
    remainder = _division(facts, binary(e.op, left, n)) if left.op != "const" else None
    remainder = binary(e.op, left, n) if remainder is None else remainder
    return remainder if e.op == "mod" else from_linear(whole) + remainder


def _split(form: Linear, n: int) -> tuple[Linear, Linear]:
    """form = n * whole + rest, with 0 <= constant of rest < n"""
    whole: dict[object, int] = {}
    rest: dict[object, int] = {}
    for variable, coefficient in form.coefficients.items():
        assert isinstance(coefficient, int)
        if coefficient % n == 0:
            whole[variable] = coefficient // n
        else:
            rest[variable] = coefficient
    assert isinstance(form.constant, int)
    return Linear(whole, form.constant // n), Linear(rest, form.constant % n)  # type: ignore[arg-type]
