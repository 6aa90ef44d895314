"""Values of Triton text: their types, and the dimensions of a tile that they vary along."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cuda.text import KernelText, Name, is_small


@dataclass(frozen=True, slots=True)
class Value:
    """A name, a term or (`constant`) a literal; its Triton type and the tile's dimensions it varies along.

    mask    of a bound axis: the lanes that exist (a name or a term in parentheses), "" for all
    number  of a constant of an expression
    origin  of what is computed from a quotient of floats; see `as_written`
    code    of an i32 that is a code of 8 bits less a zero point, which is the same in all lanes: both of them
    """

    text: str
    kind: str
    dims: frozenset[int] = frozenset()
    constant: bool = False
    mask: str = ""
    number: float | int | bool | None = None
    origin: Origin | None = None
    code: tuple[Value, Value | None] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """How a value came about: an operation on other values, of which one is a quotient or came from one."""

    op: str
    dtype: DType
    sides: tuple[Value, ...]


def placed(text: str, dims: frozenset[int] = frozenset(), mask: str = "", wide: bool = False) -> Value:
    """An axis as it is bound: an i32 name (or number), i64 if `wide`; no dimensions for a scalar."""
    return Value(text, "int64" if wide else "int32", dims, text.isdigit(), mask)


def size_value(text: KernelText, dim: Dim) -> Value:
    """A dimension as a literal, or as a parameter."""
    if isinstance(dim, int):
        return Value(text.number(dim), "int32" if is_small(dim) else "int64", constant=True)
    size = text.size(dim)
    return Value(size.name, "int32" if size.dtype is DType.I32 else "int64")


def let(text: KernelText, term: str, stem: str = "v") -> Name:
    """Give a value a name."""
    name = text.numbered(stem)
    text.line(f"{name} = {term}")
    return name


def named(text: KernelText, value: Value) -> Value:
    """As a Triton value with a name: literals become typed scalars, terms get a name."""
    if value.text.isidentifier() and not value.constant:
        return value
    if value.constant:
        return Value(f"tl.full([], {value.text}, tl.{value.kind})", value.kind)
    return Value(let(text, value.text), value.kind, value.dims)


def converted(text: KernelText, value: Value, kind: str) -> Value:
    """In another integer width."""
    if value.kind == kind:
        return value
    if value.constant:
        return Value(value.text, kind, constant=True)
    return Value(let(text, f"({value.text}).to(tl.{kind})"), kind, value.dims)


def both(text: KernelText, x: Value, y: Value) -> Value:
    """Of two conditions."""
    return Value(let(text, f"{x.text} & {y.text}", "m"), "int1", x.dims | y.dims)
