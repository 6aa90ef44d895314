"""The value of one scalar expression: a Python number, a dim, or None if it is unknown.

Integers wrap and floats round as their dtype does, so a known element is exactly the one a kernel would compute.
A dim that is cast to a float stays a dim, or a `Ratio` of dims, until it is rounded back (floor, ceil, cast): exact,
where f32 would only be exact up to 2**24.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from burnish.dims import Dim, DimExpr, ceildiv, floordiv, modulo
from burnish.dtypes import DType
from burnish.ops.language.definition import Shape, Tensor
from burnish.ops.language.expr import COMPARE, Axis, Expr
from burnish.ops.language.ordering import are_different, is_at_least, larger, smaller

REDUCED_ELEMENTS = 4096


@dataclass(frozen=True, slots=True)
class Ratio:
    """above / below, below > 0: a float that came from dims."""

    above: Dim
    below: int


Value: TypeAlias = "int | float | bool | DimExpr | Ratio | None"
Binding = Mapping[Axis, int]


def evaluate(root: Expr, axes: Binding) -> Value:
    """The expression at the index that `axes` gives."""
    done: dict[int, Value] = {}

    def visit(node: Expr) -> Value:
        if id(node) not in done:
            done[id(node)] = _node(node, axes, visit)
        return done[id(node)]

    return visit(root)


def flat_position(shape: Shape, index: Sequence[int]) -> int:
    """Row-major position of an index; IndexError outside the shape."""
    position = 0
    for extent, i in zip(shape, index):
        if not isinstance(extent, int) or not 0 <= i < extent:
            raise IndexError(f"{list(index)} in {list(shape)}")
        position = position * extent + i
    return position


def _node(node: Expr, axes: Binding, visit: Callable[[Expr], Value]) -> Value:
    if node.op in ("const", "dim"):
        return node.attr  # type: ignore[no-any-return]
    if node.op == "axis":
        return axes[node.attr]
    if node.op == "load":
        return _load(node, [visit(a) for a in node.args])
    if node.op == "reduce":
        return _reduce(node, axes)
    if node.op == "where":
        condition = visit(node.args[0])
        if condition is None:
            then, otherwise = visit(node.args[1]), visit(node.args[2])
            return then if _identical(then, otherwise) else None
        return visit(node.args[1] if condition else node.args[2])
    values = [visit(a) for a in node.args]
    if node.op in ("and", "or"):
        return _logic(node.op, values)
    if any(v is None for v in values):
        return None
    if any(isinstance(v, DimExpr | Ratio) for v in values):
        return _symbolic(node, values)
    return _numeric(node, values)


def _load(node: Expr, index: Sequence[Value]) -> Value:
    source = node.attr
    place = [i for i in index if isinstance(i, int)]
    if not isinstance(source, Tensor) or source.elements is None or len(place) < len(index):
        return None
    return source.elements[flat_position(source.shape, place)]  # type: ignore[no-any-return]


def _reduce(node: Expr, axes: Binding) -> Value:
    kind, over = node.attr
    if not all(isinstance(a.extent, int) for a in over) or math.prod(a.extent for a in over) > REDUCED_ELEMENTS:
        return None
    total: Value = {"sum": 0, "prod": 1}.get(kind)
    for position in itertools.product(*(range(a.extent) for a in over)):
        value = evaluate(node.args[0], {**axes, **dict(zip(over, position))})
        if value is None:
            return None
        total = value if total is None else _combine(kind, total, value, node.dtype)
        if total is None:
            return None
    return total


def _combine(kind: str, total: Value, value: Value, dtype: DType) -> Value:
    name = {"sum": "add", "prod": "mul"}.get(kind, kind)
    if isinstance(total, DimExpr | Ratio) or isinstance(value, DimExpr | Ratio):
        if isinstance(total, Ratio) or isinstance(value, Ratio):
            return None
        result: Value = _SYMBOLIC[name](total, value)
        return result
    return _rounded(_BINARY[name](total, value), dtype)


def _logic(name: str, values: list[Value]) -> Value:
    decides = name == "or"
    if any(v is not None and bool(v) is decides for v in values):
        return decides
    return None if any(v is None for v in values) else not decides


def _identical(left: Value, right: Value) -> bool:
    return left is not None and type(left) is type(right) and left == right


def _numeric(node: Expr, values: list[Any]) -> Value:
    if node.op == "cast":
        return _cast(values[0], node.dtype)
    function = _BINARY.get(node.op) if len(values) == 2 else _UNARY.get(node.op)
    if function is None:
        return None
    try:
        if node.op == "div" and not node.args[0].dtype.is_float:
            return _rounded(_truncated_division(*values), node.dtype)
        return _rounded(function(*values), node.dtype)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError):
        return None


def _cast(value: Any, dtype: DType) -> Value:
    if dtype is DType.BOOL:
        return bool(value)
    if isinstance(value, float) and not dtype.is_float:
        return _rounded(math.trunc(value), dtype) if math.isfinite(value) else None
    return _rounded(value, dtype)


def _rounded(value: Any, dtype: DType) -> Value:
    """The value as the dtype holds it: integers wrap, floats round."""
    if dtype is DType.BOOL:
        return bool(value)
    if dtype.is_float:
        with np.errstate(over="ignore"):
            return float(np.asarray(value, np.float64).astype(dtype.numpy))
    bits = dtype.size_bytes * 8
    whole = int(value) & ((1 << bits) - 1)
    return whole - (1 << bits) if dtype.is_signed and whole >> (bits - 1) else whole


def _truncated_division(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _symbolic(node: Expr, values: list[Any]) -> Value:
    if node.op == "cast":
        return _cast_symbolic(values[0], node.dtype)
    if len(values) == 1:
        return _round_symbolic(node.op, values[0])
    if any(isinstance(v, float) and not v.is_integer() for v in values):
        return _scaled(node.op, *values)
    left, right = (int(v) if isinstance(v, float) else v for v in values)
    if isinstance(left, Ratio) or isinstance(right, Ratio):
        return _scaled(node.op, left, right)
    if node.op == "div" and node.args[0].dtype.is_float:
        return _ratio(left, right) if isinstance(right, int) and right > 0 else None
    function = _SYMBOLIC.get(node.op)
    return None if function is None else function(left, right)


def _cast_symbolic(value: DimExpr | Ratio, dtype: DType) -> Value:
    if dtype is DType.BOOL:
        return None if isinstance(value, Ratio) else _not_equal(value, 0)
    if isinstance(value, Ratio) and not dtype.is_float:
        return floordiv(value.above, value.below) if is_at_least(value.above, 0) else None
    return value


def _round_symbolic(name: str, value: DimExpr | Ratio) -> Value:
    above, below = (value.above, value.below) if isinstance(value, Ratio) else (value, 1)
    if name == "floor":
        return floordiv(above, below)
    if name == "ceil":
        return ceildiv(above, below)
    if name == "neg":
        return _ratio(above * -1, below)
    if name in ("abs", "trunc") and is_at_least(above, 0):
        return value if name == "abs" else floordiv(above, below)
    return None


def _scaled(name: str, left: Any, right: Any) -> Value:
    """A dim or ratio times or over a float such as 0.5, kept as a ratio; only short fractions are."""
    first, second = _fraction(left), _fraction(right)
    if first is None or second is None:
        return None
    (a, b), (c, d) = first, second
    if name == "mul":
        return _ratio(a * c, b * d)
    if name == "div" and isinstance(c, int) and c > 0:
        return _ratio(a * d, b * c)
    if name in ("add", "sub"):
        return _ratio(a * d + (c if name == "add" else c * -1) * b, b * d)
    return None


def _fraction(value: Any) -> tuple[Dim, int] | None:
    if isinstance(value, Ratio):
        return value.above, value.below
    if isinstance(value, float):
        above, below = value.as_integer_ratio()
        return (above, below) if below <= 1 << 16 else None
    return value, 1


def _ratio(above: Dim, below: int) -> Value:
    whole = floordiv(above, below)
    return whole if whole * below == above else Ratio(above, below)


def _divide(left: Dim, right: Dim) -> Dim | None:
    """Truncating division: the same as floordiv where nothing is negative."""
    if isinstance(right, int) and right <= 0:
        return None
    exact = floordiv(left, right)
    return exact if exact * right == left or (is_at_least(left, 0) and is_at_least(right, 0)) else None


def _equal(left: Dim, right: Dim) -> bool | None:
    return True if left == right else (False if are_different(left, right) else None)


def _not_equal(left: Dim, right: Dim) -> bool | None:
    equal = _equal(left, right)
    return None if equal is None else not equal


def _at_least(left: Dim, right: Dim) -> bool | None:
    return True if is_at_least(left, right) else (False if is_at_least(right - 1, left) else None)


def _greater(left: Dim, right: Dim) -> bool | None:
    return _at_least(left, right + 1)


_SYMBOLIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "unfused_mul": lambda a, b: a * b,
    "div": _divide,
    "floordiv": lambda a, b: None if isinstance(b, int) and b <= 0 else floordiv(a, b),
    "mod": lambda a, b: None if isinstance(b, int) and b <= 0 else modulo(a, b),
    "fmod": lambda a, b: modulo(a, b) if is_at_least(a, 0) and b != 0 and is_at_least(b, 0) else None,
    "max": larger,
    "min": smaller,
    "eq": _equal,
    "ne": _not_equal,
    "ge": _at_least,
    "gt": _greater,
    "le": lambda a, b: _at_least(b, a),
    "lt": lambda a, b: _greater(b, a),
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "fmod": math.fmod,
    "pow": lambda a, b: a**b,
    "max": lambda a, b: a if a > b or a != a else b,
    "min": lambda a, b: a if a < b or a != a else b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "ge": lambda a, b: a >= b,
    "gt": lambda a, b: a > b,
    "le": lambda a, b: a <= b,
    "lt": lambda a, b: a < b,
    "xor": lambda a, b: a != b,
    "bitand": lambda a, b: a & b,
    "bitor": lambda a, b: a | b,
    "bitxor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b,
    "shr": lambda a, b: a >> b,
}
_UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": lambda a: -a,
    "abs": abs,
    "sign": lambda a: (a > 0) - (a < 0) if a == a else a,
    "sqrt": math.sqrt,
    "reciprocal": lambda a: 1.0 / a,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "trunc": math.trunc,
    "not": lambda a: not a,
    "bitnot": lambda a: ~a,
    "isnan": math.isnan,
    "isinf": math.isinf,
    "round_f16": lambda a: _rounded(a, DType.F16),
    "round_bf16": lambda a: _rounded(a, DType.BF16),
    "round_f8e4m3": lambda a: _rounded(a, DType.F8E4M3),
}
assert _BINARY.keys() >= COMPARE
