"""Scalar expressions: the value of one element of a tensor, as a DAG over its index.

One node class. Nodes are interned: equal expressions are the same object, so identity is equality and a shared
subexpression is computed once.

    leaf      const(value)  axis(Axis)  dim(Dim)  acc(number)
    memory    load(source, index...)       source: a Tensor while operators are defined, a slot number in a kernel task
    pointwise add sub mul div ... exp tanh ... where cast      (UNARY, BINARY below)
    reduction reduce(kind, axes, body)     kind: sum prod max min

`max` and `min`, as pointwise operation and as reduction, give NaN where a side is NaN.
`round_f16`, `round_bf16` and `round_f8e4m3` round an f32 to what that type holds (a cast to it rounds only when it is
stored);
`unfused_mul` is a product of floats that is rounded before a sum takes it; `quotient` an f32 `div` of which only the
nearest integer is used (kernels/codes.py). Integer `div` truncates (ONNX Div);
`floordiv` and `mod` round down (index arithmetic, ONNX Mod fmod=0). Comparisons and logic give bool. An index is an i64
expression. `gelu` is x * Phi(x) and `gelu_tanh` its usual approximation; each is one function, so that no constant in
it is rounded to a narrow dtype.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from burnish.dims import Dim, DimExpr
from burnish.dtypes import DType

UNARY = frozenset({
    "neg", "abs", "sign", "exp", "log", "sqrt", "reciprocal", "floor", "ceil", "round", "trunc", "tanh", "erf",
    "sigmoid", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "log1p", "expm1",
    "gelu", "gelu_tanh", "isnan", "isinf", "not", "bitnot", "round_f16", "round_bf16", "round_f8e4m3",
})  # fmt: skip
COMPARE = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
BINARY = COMPARE | {
    "add", "sub", "mul", "div", "floordiv", "mod", "fmod", "pow", "max", "min", "and", "or", "xor",
    "bitand", "bitor", "bitxor", "shl", "shr", "unfused_mul", "quotient",
}  # fmt: skip
COSTLY = frozenset({  # long polynomials, whatever the target
    "exp", "log", "tanh", "erf", "sigmoid", "sin", "cos", "tan", "pow", "asin", "acos", "atan", "sinh", "cosh", "asinh",
    "acosh", "atanh", "log1p", "expm1", "gelu", "gelu_tanh",
})  # fmt: skip
COMBINES = {"sum": "add", "prod": "mul", "max": "max", "min": "min"}  # the operation of one step of each reduction
REDUCTIONS = frozenset(COMBINES)


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop variable, 0 <= axis < extent."""

    name: str
    extent: Dim


class Expr:
    """A node. Build it with the functions below, never directly."""

    __slots__ = ("__weakref__", "args", "attr", "dtype", "op")
    op: str
    args: tuple[Expr, ...]
    dtype: DType
    attr: Any

    def __add__(self, other: Operand) -> Expr:
        return binary("add", self, other)

    def __radd__(self, other: Operand) -> Expr:
        return binary("add", other, self)

    def __sub__(self, other: Operand) -> Expr:
        return binary("sub", self, other)

    def __rsub__(self, other: Operand) -> Expr:
        return binary("sub", other, self)

    def __mul__(self, other: Operand) -> Expr:
        return binary("mul", self, other)

    def __rmul__(self, other: Operand) -> Expr:
        return binary("mul", other, self)

    def __truediv__(self, other: Operand) -> Expr:
        return binary("div", self, other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return binary("div", other, self)

    def __floordiv__(self, other: Operand) -> Expr:
        return binary("floordiv", self, other)

    def __mod__(self, other: Operand) -> Expr:
        return binary("mod", self, other)

    def __neg__(self) -> Expr:
        return unary("neg", self)

    def __repr__(self) -> str:
        return text(self)


Operand = Expr | int | float | bool | DimExpr
_interned: WeakValueDictionary[Hashable, Expr] = WeakValueDictionary()
_interning = threading.Lock()  # builds may run in several threads, and one expression must stay one object


def _make(op: str, args: tuple[Expr, ...], dtype: DType, attr: Hashable = None) -> Expr:
    identity = repr(attr) if isinstance(attr, float) else attr  # nan, and -0.0 beside 0.0
    key = (op, tuple(map(id, args)), dtype, type(attr), identity)
    found = _interned.get(key)
    if found is None:
        with _interning:
            found = _interned.get(key)
            if found is None:
                found = Expr()
                found.op, found.args, found.dtype, found.attr = op, args, dtype, attr
                _interned[key] = found
    return found


def const(value: float | int | bool, dtype: DType) -> Expr:
    """A constant; the value is rounded to the dtype."""
    if dtype.is_float:
        with np.errstate(over="ignore"):
            return _make("const", (), dtype, float(np.asarray(value).astype(dtype.numpy)))
    return _make("const", (), dtype, bool(value) if dtype is DType.BOOL else int(value))


def axis(variable: Axis) -> Expr:
    return _make("axis", (), DType.I64, variable)


def dim(value: Dim) -> Expr:
    """A dimension as an i64 value."""
    return const(value, DType.I64) if isinstance(value, int) else _make("dim", (), DType.I64, value)


def acc(number: int, dtype: DType) -> Expr:
    """In an epilogue: the template's own result at this output index."""
    return _make("acc", (), dtype, number)


def load(source: Hashable, dtype: DType, index: Sequence[Operand]) -> Expr:
    """source[index]; `source` is a Tensor, or a slot number in a kernel task."""
    return _make("load", tuple(_operand(i, DType.I64) for i in index), dtype, source)


def cast(value: Expr, dtype: DType) -> Expr:
    if value.dtype is dtype:
        return value
    if value.op == "const" and not (isinstance(value.attr, float) and not math.isfinite(value.attr)):
        return const(value.attr, dtype)
    return _make("cast", (value,), dtype)


def unary(name: str, value: Expr) -> Expr:
    assert name in UNARY, name
    return _make(name, (value,), DType.BOOL if name in ("isnan", "isinf", "not") else value.dtype)


def binary(name: str, left: Operand, right: Operand) -> Expr:
    """Both sides have one dtype; Python numbers and dims take the other's. Folds index arithmetic with 0 and 1."""
    assert name in BINARY, name
    like = left if isinstance(left, Expr) else right
    assert isinstance(like, Expr)
    a, b = _operand(left, like.dtype), _operand(right, like.dtype)
    assert a.dtype is b.dtype, f"{name}: {a.dtype} and {b.dtype}"
    if a.dtype is DType.I64 and (folded := _fold_index(name, a, b)) is not None:
        return folded
    return _make(name, (a, b), DType.BOOL if name in COMPARE else a.dtype)


def where(condition: Expr, then: Operand, otherwise: Operand) -> Expr:
    like = then if isinstance(then, Expr) else otherwise
    assert isinstance(like, Expr)
    a, b = _operand(then, like.dtype), _operand(otherwise, like.dtype)
    if condition.op == "const":
        return a if condition.attr else b
    return a if a is b else _make("where", (condition, a, b), a.dtype)


def reduce(kind: str, axes: Sequence[Axis], body: Expr) -> Expr:
    """kind over all values of the axes; the empty reduction gives 0, 1, -inf/lowest, +inf/highest."""
    assert kind in REDUCTIONS, kind
    return _make("reduce", (body,), body.dtype, (kind, tuple(axes))) if axes else body


def neutral(kind: str, dtype: DType) -> float | int | bool:
    """The value of an empty reduction; to combine it with another changes nothing."""
    if kind in ("sum", "prod"):
        return (kind == "prod") if dtype is DType.BOOL else (0 if kind == "sum" else 1)
    if dtype.is_float:
        return float("-inf") if kind == "max" else float("inf")
    if dtype is DType.BOOL:
        return kind == "min"
    bits = dtype.size_bytes * 8
    if kind == "max":
        return -(1 << (bits - 1)) if dtype.is_signed else 0
    return (1 << (bits - 1)) - 1 if dtype.is_signed else (1 << bits) - 1


_counter = itertools.count()


def fresh_axis(extent: Dim, hint: str = "r") -> Axis:
    """A new, unique axis. Names are made canonical when a task is built, so the counter never reaches a plan."""
    return Axis(f"{hint}{next(_counter)}", extent)


def substitute(root: Expr, replace: Callable[[Expr], Expr | None]) -> Expr:
    """Rebuild bottom-up. `replace` sees each node with its arguments already rebuilt; None keeps it."""
    done: dict[int, Expr] = {}

    def visit(node: Expr) -> Expr:
        found = done.get(id(node))
        if found is None:
            args = tuple(visit(a) for a in node.args)
            rebuilt = node if all(a is b for a, b in zip(args, node.args)) else rebuild(node, args)
            found = replace(rebuilt) or rebuilt
            done[id(node)] = found
        return found

    return visit(root)


def substitute_axes(root: Expr, values: dict[Axis, Expr]) -> Expr:
    """Put an index expression in place of each axis."""
    return substitute(root, lambda e: values.get(e.attr) if e.op == "axis" else None)


def walk(root: Expr) -> list[Expr]:
    """Every node once, arguments before users."""
    seen: dict[int, Expr] = {}

    def visit(node: Expr) -> None:
        if id(node) not in seen:
            for a in node.args:
                visit(a)
            seen[id(node)] = node

    visit(root)
    return list(seen.values())


def free_axes(root: Expr) -> frozenset[Axis]:
    """The axes that an expression depends on and does not reduce."""
    done: dict[int, frozenset[Axis]] = {}
    for node in walk(root):
        free = frozenset().union(*(done[id(a)] for a in node.args)) if node.args else frozenset()
        if node.op == "axis":
            free = frozenset({node.attr})
        elif node.op == "reduce":
            free -= set(node.attr[1])
        done[id(node)] = free
    return done[id(root)]


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of coefficient * axis."""

    coefficients: dict[Axis, Dim]
    constant: Dim


def linear(root: Expr) -> Linear | None:
    """An index as a linear form of its axes, or None (a gather, a division that does not go away)."""
    if root.op == "const":
        return Linear({}, int(root.attr))
    if root.op == "dim":
        return Linear({}, root.attr)
    if root.op == "axis":
        return Linear({root.attr: 1}, 0)
    if root.op == "neg":
        return _scale(linear(root.args[0]), -1)
    if root.op not in ("add", "sub", "mul"):
        return None
    left, right = linear(root.args[0]), linear(root.args[1])
    if left is None or right is None:
        return None
    if root.op == "mul":
        if not left.coefficients:
            return _scale(right, left.constant)
        return _scale(left, right.constant) if not right.coefficients else None
    return _plus(left, right if root.op == "add" else _scale(right, -1))


def from_linear(form: Linear) -> Expr:
    """The index of a linear form: its constant, then its terms in their order."""
    total = dim(form.constant)
    for variable, coefficient in form.coefficients.items():
        total = total + axis(variable) * dim(coefficient)
    return total


def text(root: Expr) -> str:
    """A stable, readable form; also the canonical one that keys and hashes are made of."""
    done: dict[int, str] = {}
    for node in walk(root):
        inner = ",".join(done[id(a)] for a in node.args)
        if node.op == "const":
            done[id(node)] = f"{node.attr!r}:{node.dtype.value}"
        elif node.op == "axis":
            done[id(node)] = node.attr.name
        elif node.op == "dim":
            done[id(node)] = f"<{node.attr}>"
        elif node.op == "acc":
            done[id(node)] = f"acc{node.attr}:{node.dtype.value}"
        elif node.op == "load":
            done[id(node)] = f"{node.attr}[{inner}]"
        elif node.op == "reduce":
            kind, axes = node.attr
            done[id(node)] = f"{kind}<{' '.join(f'{a.name}:{a.extent}' for a in axes)}>({inner})"
        elif node.op == "cast":
            done[id(node)] = f"{node.dtype.value}({inner})"
        else:
            done[id(node)] = f"{node.op}({inner})"
    return done[id(root)]


def rebuild(node: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same operation on other arguments, folded again."""
    if node.op in BINARY:
        return binary(node.op, *args)
    if node.op == "cast":
        return cast(args[0], node.dtype)
    if node.op == "where":
        return where(*args)
    dtype = args[0].dtype if node.op in UNARY - {"isnan", "isinf", "not"} or node.op == "reduce" else node.dtype
    return _make(node.op, args, dtype, node.attr)


def _operand(value: Operand, dtype: DType) -> Expr:
    if isinstance(value, Expr):
        return value
    return dim(value) if isinstance(value, DimExpr) else const(value, dtype)


def _fold_index(name: str, a: Expr, b: Expr) -> Expr | None:
    x = a.attr if a.op in ("const", "dim") else None
    y = b.attr if b.op in ("const", "dim") else None
    if x is not None and y is not None:
        if name in ("add", "sub", "mul"):
            return dim(x + y if name == "add" else x - y if name == "sub" else x * y)
        if isinstance(x, int) and isinstance(y, int):
            return _fold_integers(name, x, y)
    if name == "add" and x == 0:
        return b
    if name in ("add", "sub") and y == 0:
        return a
    if name == "mul" and (x == 0 or y == 0):
        return const(0, DType.I64)
    if name == "mul" and x == 1:
        return b
    if name in ("mul", "floordiv", "div") and y == 1:
        return a
    if name == "mod" and y == 1:
        return const(0, DType.I64)
    return None


def _fold_integers(name: str, x: int, y: int) -> Expr | None:
    if name in COMPARE:
        truth = {"eq": x == y, "ne": x != y, "lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y}[name]
        return const(truth, DType.BOOL)
    if name in ("max", "min"):
        return const(max(x, y) if name == "max" else min(x, y), DType.I64)
    if y and name in ("floordiv", "mod"):
        return const(x // y if name == "floordiv" else x % y, DType.I64)
    if y and name == "div":
        quotient = abs(x) // abs(y)
        return const(quotient if (x < 0) == (y < 0) else -quotient, DType.I64)
    return None


def _scale(form: Linear | None, factor: Dim) -> Linear | None:
    if form is None:
        return None
    return Linear({a: c * factor for a, c in form.coefficients.items() if factor != 0}, form.constant * factor)


def _plus(left: Linear, right: Linear | None) -> Linear | None:
    if right is None:
        return None
    total = dict(left.coefficients)
    for a, c in right.coefficients.items():
        total[a] = total.get(a, 0) + c
    return Linear({a: c for a, c in total.items() if c != 0}, left.constant + right.constant)
