"""What an Emitter works with: places of axes, values with their types, sizes that shapes decide, lines of code."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from burnish.dims import Dim, Symbol, divisor
from burnish.dtypes import DType
from burnish.targets.cuda.expressions.arithmetic import literal
from burnish.targets.cuda.source import Size

INT32 = 1 << 31
SPECIAL = 16  # no compiler makes more of a number's divisors


@dataclass(frozen=True, slots=True)
class Place:
    """The values of an axis. text: an i32 name (or number), i64 if `wide`; mask: the lanes that exist (a name or a
    term in parentheses), "" for all.

    dims: the tile's dimensions that it varies along; none for a scalar
    """

    text: str
    dims: frozenset[int] = frozenset()
    mask: str = ""
    wide: bool = False

    @property
    def value(self) -> Value:
        return Value(self.text, "int64" if self.wide else "int32", self.dims, self.text.isdigit())


@dataclass(frozen=True, slots=True)
class Value:
    """A name, a term or (`constant`) a literal; its Triton type and the tile's dimensions it varies along."""

    text: str
    kind: str
    dims: frozenset[int] = frozenset()
    constant: bool = False


class Sizes:
    """The numbers that shapes decide, as a kernel's parameters, in the order of their first use."""

    def __init__(self) -> None:
        self._found: dict[Dim, Size] = {}

    @property
    def parameters(self) -> tuple[Size, ...]:
        return tuple(self._found.values())

    def value(self, dim: Dim) -> Value:
        """A dimension as a literal, or as a parameter."""
        if isinstance(dim, int):
            return Value(literal(dim, "int64"), "int32" if is_small(dim) else "int64", constant=True)
        size = self._found.get(dim)
        if size is None:
            dtype = DType.I32 if is_small(dim) else DType.I64
            size = self._found[dim] = Size(f"size{len(self._found)}", dim, dtype, math.gcd(divisor(dim), SPECIAL))
        return Value(size.name, "int32" if size.dtype is DType.I32 else "int64")

    def text(self, dim: Dim) -> str:
        """As `value`, the text alone."""
        return self.value(dim).text


def is_small(dim: Dim) -> bool:
    """A symbol plus or minus a number: below 2**31 as any extent of a shape is."""
    if isinstance(dim, int):
        return abs(dim) < INT32
    terms = [(m, c) for m, c in dim.terms if m]
    (monomial, coefficient), *others = terms
    return not others and coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], Symbol)


@dataclass
class Lines:
    """The kernel's lines so far; names are numbered, so that equal kernels have equal texts."""

    text: list[str] = field(default_factory=list)
    names: int = 0

    def add(self, indent: int, line: str) -> None:
        self.text.append("    " * indent + line)

    def name(self, stem: str = "v") -> str:
        self.names += 1
        return f"{stem}{self.names}"
