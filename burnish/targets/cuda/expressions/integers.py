"""Integer division, powers and shifts as Triton text. They never trap, for any numbers.

`let` gives a line of code a name; x and y are names, or literals of the one type `kind`.
"""

from __future__ import annotations

from collections.abc import Callable

from burnish.errors import InternalError
from burnish.targets.cuda.expressions.arithmetic import INTEGER_POWER, literal, typed
from burnish.targets.cuda.text import KernelText

Let = Callable[[str], str]


def binary(
    text: KernelText, let: Let, op: str, kind: str, x: str, y: str, *, known: int | None = None, positive: bool = False
) -> str:
    """x op y. `known`: y's value; `positive`: neither side is ever negative."""
    if op in ("div", "floordiv", "mod", "fmod"):
        return _divide(let, op, kind, x, y, known, positive)
    if op in ("shl", "shr"):
        return _shift(let, op, kind, x, y)
    if op == "pow":
        return _power(text, let, kind, x, y)
    raise InternalError("E901", f"operator {op} on {kind} has no CUDA code")


def _divide(let: Let, op: str, kind: str, x: str, y: str, known: int | None, positive: bool) -> str:
    """Quotients and remainders; all quotients are 0 where y is 0."""
    signed = kind.startswith("int") and not positive
    if known is not None and known != 0:
        if positive and known > 0:
            return f"({x} {'//' if op in ('div', 'floordiv') else '%'} {y})"
        if known == 1:
            return x if op in ("div", "floordiv") else f"({x} * 0)"
        divisor = y
        quotient = let(f"{x} // {y}" if known != -1 else f"{x} * -1")
    else:
        divisor = let(f"tl.where({y} == 0, {typed(1, kind)}, {y})")
        quotient = let(_truncated(let, kind, x, divisor) if signed else f"{x} // {divisor}")
    rest = let(f"{x} - {quotient} * {divisor}")
    if op in ("floordiv", "mod") and signed:
        inexact = let(f"({rest} != 0) & (({rest} < 0) != ({divisor} < 0))")
        if op == "mod":
            return f"tl.where({inexact}, {rest} + {divisor}, {rest})"
        quotient = let(f"{quotient} - {inexact}.to(tl.{kind})")
    if op in ("mod", "fmod"):
        return rest
    return quotient if known else f"tl.where({y} == 0, {typed(0, kind)}, {quotient})"


def _truncated(let: Let, kind: str, x: str, y: str) -> str:
    """x / y towards zero, y not 0; the lowest number / -1 wraps."""
    safe = let(f"tl.where({y} == -1, {typed(1, kind)}, {y})")
    return f"tl.where({y} == -1, -{x}, {x} // {safe})"


def _shift(let: Let, op: str, kind: str, x: str, y: str) -> str:
    bits = int(kind.lstrip("uint"))
    amount = let(f"{y} & {literal(bits - 1, kind)}")
    shifted = let(f"{x} {'<<' if op == 'shl' else '>>'} {amount}")
    return f"tl.where(({y} < 0) | ({y} >= {bits}), {typed(0, kind)}, {shifted})" if kind.startswith("int") else (
        f"tl.where({y} >= {bits}, {typed(0, kind)}, {shifted})"
    )  # fmt: skip


def _power(text: KernelText, let: Let, kind: str, x: str, y: str) -> str:
    """x ** y modulo 2**bits by squaring. A negative exponent gives 0, except for x = 1 and x = -1: 1 or -1."""
    bits = int(kind.lstrip("uint"))
    powered = let(text.call(INTEGER_POWER, x, y, str(bits)))
    if kind.startswith("uint"):
        return powered
    return f"tl.where(({x} == 1) | ({x} == -1) | ({y} >= 0), {powered}, {typed(0, kind)})"
