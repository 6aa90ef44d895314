"""Numbers that decide are computed as they are written: an ulp must not change an index, a comparison, a rounding.

A quotient of floats is off by up to 2 ulp on a GPU, and a product is fused into the sum that takes it. Where such a
number ends in `floor`, in a comparison or in an integer, (i + 0.5) / scale - 0.5 for example, it is computed once more
from its last quotients on, each step correctly rounded. What the first computation then does for nothing, the compiler
drops.
"""

from __future__ import annotations

from dataclasses import replace

from burnish.dtypes import DType
from burnish.ops.language.expr import COMPARE
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.values import Origin, Value, let, named
from burnish.targets.cuda.text import KernelText

DECIDES = COMPARE | {"floor", "ceil", "round", "trunc", "sign", "floordiv", "mod", "fmod", "round_f8e4m3"}
_STARTS = frozenset({"div", "reciprocal"})
_CARRIES = frozenset({"add", "sub", "mul", "unfused_mul", "max", "min", "neg", "abs", "where"})


def with_origin(value: Value, op: str, dtype: DType, *sides: Value) -> Value:
    """The value, which remembers its origin if a quotient is in it."""
    inexact = op in _STARTS or (op in _CARRIES and any(x.origin for x in sides))
    is_kept = inexact and dtype.is_float and dtype is not DType.F64
    return replace(value, origin=Origin(op, dtype, sides)) if is_kept else value


def as_written(text: KernelText, value: Value) -> Value:
    """The value with each step from its quotients on correctly rounded."""
    return _again(text, value, {})


def _again(text: KernelText, value: Value, done: dict[str, Value]) -> Value:
    origin = value.origin
    if origin is None:
        return value
    if value.text not in done:
        sides = [named(text, _again(text, x, done)) for x in origin.sides]
        dims = frozenset[int]().union(*(x.dims for x in sides))
        done[value.text] = Value(let(text, _term(text, origin, [x.text for x in sides])), value.kind, dims)
    return done[value.text]


def _term(text: KernelText, origin: Origin, sides: list[str]) -> str:
    if origin.op == "where":
        return f"tl.where({', '.join(sides)})"
    if origin.op == "reciprocal":
        return arithmetic.binary(text, "div", origin.dtype, "1.0", sides[0], exact=True)
    if len(sides) == 1:
        return arithmetic.unary(text, origin.op, origin.dtype, sides[0])
    op = "unfused_mul" if origin.op == "mul" else origin.op
    return arithmetic.binary(text, op, origin.dtype, sides[0], sides[1], exact=True)
