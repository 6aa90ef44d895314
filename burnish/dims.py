"""Dimensions: integers, or exact integer expressions over named symbols.

A `Dim` is a plain int wherever the value is known, else a `DimExpr`: a polynomial with integer coefficients over
atoms, kept in one canonical form, so that equal dimensions compare and hash equal: 2*n + m - n == n + m.
An atom is a symbol (`batch`) or an operation that does not expand: floordiv, mod, max, min of dims.

The runtime evaluates dims when shapes are bound; the build adds, compares and bounds them. No other module needs to
know how they are stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard

Atom: TypeAlias = "Symbol | Operation"
Dim: TypeAlias = "int | DimExpr"
Monomial: TypeAlias = tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named dimension, fixed when shapes are bound (or, if data decides it, during the run)."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Operation:
    """floordiv, mod, max or min of two dims: an atom of the polynomial."""

    name: str
    left: Dim
    right: Dim
    # both are asked for at every sum and product, and would walk the whole tree
    _hash: int = field(init=False, repr=False, compare=False)
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.name, self.left, self.right)))
        object.__setattr__(self, "_text", f"{self.name}({self.left},{self.right})")

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Operation], tuple[str, Dim, Dim]]:  # a hash is not the same in every process
        return Operation, (self.name, self.left, self.right)

    def __str__(self) -> str:
        return self._text


@dataclass(frozen=True, slots=True)
class DimExpr:
    """sum of coefficient * product of atoms; terms sorted, no zero coefficient, never a bare constant."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Dim) -> Dim:
        return _sum([self, other])

    def __radd__(self, other: int) -> Dim:
        return _sum([other, self])

    def __sub__(self, other: Dim) -> Dim:
        return _sum([self, other * -1])

    def __rsub__(self, other: int) -> Dim:
        return _sum([other, self * -1])

    def __mul__(self, other: Dim) -> Dim:
        return _multiply(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Dim:
        return _multiply(self, -1)

    def __floordiv__(self, other: Dim) -> Dim:
        return floordiv(self, other)

    def __rfloordiv__(self, other: int) -> Dim:
        return floordiv(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return modulo(self, other)

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            factors = [str(a) for a in monomial]
            if not factors or abs(coefficient) != 1:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else ("+" if text else "")
            text += sign + "*".join(factors)
        return text

    def __repr__(self) -> str:
        return f"Dim({self})"


def symbol(name: str) -> DimExpr:
    """The dimension called `name`."""
    return DimExpr((((Symbol(name),), 1),))


def floordiv(left: Dim, right: Dim) -> Dim:
    """left // right, exactly simplified where every term divides; ZeroDivisionError for a zero int divisor."""
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    if right == 1:
        return left
    if left == right:
        return 1
    if isinstance(left, DimExpr):
        quotient = _divide_exactly(left, right)
        if quotient is not None:
            return quotient
        if isinstance(right, int) and right > 0:  # (right*a + b) // right == a + b // right
            whole = [(m, c) for m, c in left.terms if c % right == 0]
            rest = [(m, c) for m, c in left.terms if c % right]
            if whole:
                return _from_terms({m: c // right for m, c in whole}) + floordiv(_from_terms(dict(rest)), right)
        if isinstance(right, int) and right > 0 and len(left.terms) == 1:  # (a // b) // right == a // (b * right)
            (monomial, coefficient), *_ = left.terms
            inner = monomial[0]
            if len(monomial) == 1 and coefficient == 1 and _is_quotient(inner):
                return floordiv(inner.left, inner.right * right)
    return _atom(Operation("floordiv", left, right))


def _is_quotient(atom: Atom) -> TypeGuard[Operation]:
    """a // b with a positive number b"""
    return isinstance(atom, Operation) and atom.name == "floordiv" and isinstance(atom.right, int) and atom.right > 0


def modulo(left: Dim, right: Dim) -> Dim:
    """left mod right, with the sign of right (Python's rule)."""
    if isinstance(left, int) and isinstance(right, int):
        return left % right
    if right == 1 or left == right or (isinstance(left, DimExpr) and _divide_exactly(left, right) is not None):
        return 0
    return _atom(Operation("mod", left, right))


def maximum(left: Dim, right: Dim) -> Dim:
    if isinstance(left, int) and isinstance(right, int):
        return max(left, right)
    if left == right:
        return left
    return _atom(Operation("max", *sorted((left, right), key=str)))


def minimum(left: Dim, right: Dim) -> Dim:
    if isinstance(left, int) and isinstance(right, int):
        return min(left, right)
    if left == right:
        return left
    return _atom(Operation("min", *sorted((left, right), key=str)))


def ceildiv(left: Dim, right: Dim) -> Dim:
    """The smallest integer >= left / right."""
    return floordiv(left + right - 1, right)


def product(dims: Iterable[Dim]) -> Dim:
    """The product of all; 1 for none."""
    result: Dim = 1
    for d in dims:
        result = result * d
    return result


def divisor(dim: Dim) -> int:
    """The largest number known to divide a dim whatever its symbols are; 0 for 0."""
    return abs(dim) if isinstance(dim, int) else math.gcd(*(coefficient for _, coefficient in dim.terms))


def symbols(dim: Dim) -> frozenset[str]:
    """The names a dim depends on."""
    if isinstance(dim, int):
        return frozenset()
    found: set[str] = set()
    for monomial, _ in dim.terms:
        for atom in monomial:
            found |= {atom.name} if isinstance(atom, Symbol) else symbols(atom.left) | symbols(atom.right)
    return frozenset(found)


def symbol_name(dim: Dim) -> str | None:
    """The name, if a dimension is a symbol and nothing else."""
    if isinstance(dim, DimExpr) and len(dim.terms) == 1:
        atoms, coefficient = dim.terms[0]
        if coefficient == 1 and len(atoms) == 1 and isinstance(atoms[0], Symbol):
            return atoms[0].name
    return None


def known(dim: Dim) -> int:
    """The dim as a number, for places where it cannot be symbolic."""
    assert isinstance(dim, int), f"{dim} is not known before shapes are"
    return dim


def evaluate(dim: Dim, values: Mapping[str, int]) -> int:
    """The value under an assignment of every symbol; KeyError names a missing one."""
    if isinstance(dim, int):
        return dim
    total = 0
    for monomial, coefficient in dim.terms:
        for atom in monomial:
            coefficient *= (
                values[atom.name]
                if isinstance(atom, Symbol)
                else _apply(atom.name, evaluate(atom.left, values), evaluate(atom.right, values))
            )
        total += coefficient
    return total


def substitute(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """Replace symbols by dims; symbols that are not in `values` stay."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        term: Dim = coefficient
        for atom in monomial:
            if isinstance(atom, Symbol):
                factor = values.get(atom.name, _atom(atom))
            else:
                factor = _OPERATIONS[atom.name](substitute(atom.left, values), substitute(atom.right, values))
            term = term * factor
        total = total + term
    return total


def bounds(dim: Dim, ranges: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """(low, high) around the value for every assignment inside `ranges`; interval arithmetic, so not always tight."""
    if isinstance(dim, int):
        return dim, dim
    low = high = 0
    for monomial, coefficient in dim.terms:
        a = b = coefficient
        for atom in monomial:
            if isinstance(atom, Symbol):
                x, y = ranges[atom.name]
            else:
                x, y = _operation_bounds(atom, ranges)
            corners = (a * x, a * y, b * x, b * y)
            a, b = min(corners), max(corners)
        low, high = low + a, high + b
    return low, high


def to_json(dim: Dim) -> int | list[object]:
    """A JSON value: an int, or nested lists of terms; `from_json` reads it back equal."""
    if isinstance(dim, int):
        return dim
    return [
        [c, *(a.name if isinstance(a, Symbol) else [a.name, to_json(a.left), to_json(a.right)] for a in m)]
        for m, c in dim.terms
    ]


def from_json(value: object) -> Dim:
    """The dim `to_json` wrote; ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | list):
        raise ValueError(f"not a dimension: {value!r}")
    if isinstance(value, int):
        return value
    total: Dim = 0
    for term in value:
        if not isinstance(term, list) or not term or isinstance(term[0], bool) or not isinstance(term[0], int):
            raise ValueError(f"not a term of a dimension: {term!r}")
        factor: Dim = term[0]
        for atom in term[1:]:
            if isinstance(atom, str):
                factor = factor * symbol(atom)
            elif isinstance(atom, list) and len(atom) == 3 and atom[0] in _OPERATIONS:
                factor = factor * _OPERATIONS[atom[0]](from_json(atom[1]), from_json(atom[2]))
            else:
                raise ValueError(f"not an atom of a dimension: {atom!r}")
        total = total + factor
    return total


def format_shape(shape: Iterable[Dim]) -> str:
    """[1,64,H,W], as messages print it."""
    return "[" + ",".join(str(d) for d in shape) + "]"


_OPERATIONS = {"floordiv": floordiv, "mod": modulo, "max": maximum, "min": minimum}


def _apply(name: str, left: int, right: int) -> int:
    if name == "floordiv":
        return left // right
    if name == "mod":
        return left % right
    return max(left, right) if name == "max" else min(left, right)


def _operation_bounds(atom: Operation, ranges: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    (a, b), (c, d) = bounds(atom.left, ranges), bounds(atom.right, ranges)
    if atom.name == "max":
        return max(a, c), max(b, d)
    if atom.name == "min":
        return min(a, c), min(b, d)
    if c <= 0:  # a divisor that may be zero: shapes that make it zero are refused when they are bound
        c, d = max(c, 1), max(d, 1)
    if atom.name == "mod":
        return (a, b) if a >= 0 and b < c else (0, d - 1)
    corners = (a // c, a // d, b // c, b // d)
    return min(corners), max(corners)


def _atom(atom: Atom) -> DimExpr:
    return DimExpr((((atom,), 1),))


def _terms(dim: Dim) -> dict[Monomial, int]:
    return ({(): dim} if dim else {}) if isinstance(dim, int) else dict(dim.terms)


def _from_terms(terms: Mapping[Monomial, int]) -> Dim:
    kept = sorted(((m, c) for m, c in terms.items() if c), key=lambda t: (-len(t[0]), [str(a) for a in t[0]]))
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    return DimExpr(tuple(kept))


def _sum(dims: Iterable[Dim]) -> Dim:
    total: dict[Monomial, int] = {}
    for d in dims:
        for m, c in _terms(d).items():
            total[m] = total.get(m, 0) + c
    return _from_terms(total)


def _multiply(left: Dim, right: Dim) -> Dim:
    total: dict[Monomial, int] = {}
    for m, c in _terms(left).items():
        for n, d in _terms(right).items():
            key = tuple(sorted(m + n, key=str))
            total[key] = total.get(key, 0) + c * d
    return _from_terms(total)


def _divide_exactly(left: DimExpr, right: Dim) -> Dim | None:
    divisor = _terms(right)
    if len(divisor) != 1:
        return None
    ((factors, scale),) = divisor.items()
    if scale == 0:
        return None
    quotient: dict[Monomial, int] = {}
    for monomial, coefficient in left.terms:
        rest = list(monomial)
        for atom in factors:
            if atom not in rest:
                return None
            rest.remove(atom)
        if coefficient % scale:
            return None
        quotient[tuple(rest)] = coefficient // scale
    return _from_terms(quotient)
