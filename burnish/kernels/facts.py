"""Facts about a kernel's expressions, before code is written: addresses, free axes, ranges. Each is computed once.

An address is a flat element offset: a linear form of the axes, plus *atoms* (indexes that are not linear: gathers,
clamps, divisions), each times a stride. `is_inside` proves by interval arithmetic that no value leaves the slot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, Symbol
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.ops.language.expr import Axis, Expr, Linear, const, dim, linear, substitute, walk

Range = tuple[int, int]
FAR = 1 << 62


@dataclass(frozen=True)
class Address:
    """form + sum of stride * atom"""

    form: Linear
    atoms: tuple[tuple[Expr, Dim], ...]


class Facts:
    """Answers questions about expressions over given slots, and remembers the answers."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = tuple(slots)
        self._free: dict[Expr, frozenset[Axis]] = {}
        self._address: dict[tuple[int, tuple[Expr, ...]], Address] = {}
        self._range: dict[Expr, Range] = {}
        self._loads: dict[Expr, frozenset[Expr]] = {}
        self._reduces: dict[Expr, bool] = {}

    def free(self, expr: Expr) -> frozenset[Axis]:
        """The axes that an expression depends on and does not reduce."""
        found = self._free.get(expr)
        if found is None:
            if expr.op == "axis":
                found = frozenset({expr.attr})
            else:
                found = frozenset().union(*(self.free(a) for a in expr.args))
                if expr.op == "reduce":
                    found -= set(expr.attr[1])
            self._free[expr] = found
        return found

    def loads(self, expr: Expr) -> frozenset[Expr]:
        """Every load in an expression, also those inside indexes."""
        found = self._loads.get(expr)
        if found is None:
            found = frozenset().union(*(self.loads(a) for a in expr.args))
            if expr.op == "load":
                found |= {expr}
            self._loads[expr] = found
        return found

    def reduces(self, expr: Expr) -> bool:
        """Does the expression contain a reduction?"""
        found = self._reduces.get(expr)
        if found is None:
            found = self._reduces[expr] = expr.op == "reduce" or any(map(self.reduces, expr.args))
        return found

    def address(self, slot: int, index: tuple[Expr, ...]) -> Address:
        """The flat offset of a logical index into a slot."""
        found = self._address.get((slot, index))
        if found is None:
            found = self._address[slot, index] = flatten(self.slots[slot], index)
        return found

    def unsafe(self, expr: Expr) -> bool:
        """Does the expression contain a load that cannot be proven to stay inside its slot?"""
        return any(not self.is_inside(e) for e in self.loads(expr))

    def is_inside(self, load: Expr) -> bool:
        """Is a load inside its slot for all values of the axes? An index from data is never sure: it is clamped."""
        slot = self.slots[load.attr]
        return all(self._axis_inside(e, extent) for e, extent in zip(load.args, slot.shape))

    def _axis_inside(self, index: Expr, extent: Dim) -> bool:
        low, _ = self.difference(const(0, DType.I64), index)
        room, _ = self.difference(index, dim(extent))
        return isinstance(low, int) and low >= 0 and isinstance(room, int) and room >= 1

    def difference(self, left: Expr, right: Expr) -> tuple[Dim, Dim]:
        """(lowest, highest) value of right - left. It is exact for linear indexes, also for symbolic ones."""
        form = linear(right - left)
        if form is None:
            (a, b), (c, d) = self.range(left), self.range(right)
            return (c - b if c > -FAR and b < FAR else -FAR), (d - a if d < FAR and a > -FAR else FAR)
        low: Dim = form.constant
        high: Dim = form.constant
        for variable, coefficient in form.coefficients.items():
            reach, sign = coefficient * (variable.extent - 1), _sign(coefficient)
            low = low + reach if sign < 0 else low if sign > 0 else -FAR
            high = high + reach if sign > 0 else high if sign < 0 else FAR
        return low, high

    def range(self, expr: Expr) -> Range:
        """(lowest, highest) value of an index; an unknown end is FAR."""
        found = self._range.get(expr)
        if found is None:
            low, high = self._find_range(expr)
            found = self._range[expr] = (max(low, -FAR), min(high, FAR))
        return found

    def _find_range(self, expr: Expr) -> Range:
        if expr.op == "const" and not expr.dtype.is_float:
            return int(expr.attr), int(expr.attr)
        if expr.op == "axis":
            extent = expr.attr.extent
            return 0, max(extent - 1, 0) if isinstance(extent, int) else FAR
        if expr.op == "dim":
            return -FAR, FAR
        if expr.op not in ("add", "sub", "mul", "min", "max", "floordiv", "mod"):
            return -FAR, FAR
        (a, b), (c, d) = (self.range(e) for e in expr.args)
        if expr.op == "add":
            return (a + c if min(a, c) > -FAR else -FAR), (b + d if max(b, d) < FAR else FAR)
        if expr.op == "sub":
            return (a - d if a > -FAR and d < FAR else -FAR), (b - c if b < FAR and c > -FAR else FAR)
        if expr.op == "min":
            return min(a, c), min(b, d)
        if expr.op == "max":
            return max(a, c), max(b, d)
        if -FAR in (a, c) or FAR in (b, d):
            return (0, FAR) if min(a, c) >= 0 else (-FAR, FAR)
        if expr.op == "mul":
            corners = (a * c, a * d, b * c, b * d)
            return min(corners), max(corners)
        return _divided_range(expr.op, (a, b), (c, d))


def _sign(value: Dim) -> int:
    """1 if the value cannot be negative, -1 if it cannot be positive (symbols are sizes), 0 if the sign is unknown."""
    if isinstance(value, int):
        return (value > 0) - (value < 0)
    signs = {(c > 0) - (c < 0) for _, c in value.terms}
    plain = all(isinstance(atom, Symbol) for monomial, _ in value.terms for atom in monomial)
    return signs.pop() if plain and len(signs) == 1 else 0


def _divided_range(op: str, value: Range, divisor: Range) -> Range:
    (a, b), (c, d) = value, divisor
    if c != d or c <= 0:
        return -FAR, FAR
    if op == "floordiv":
        return a // c, b // c
    return (a, b) if a >= 0 and b < c else (0, c - 1)


def flatten(slot: Slot, index: Sequence[Expr]) -> Address:
    """The flat offset of a logical index. Terms of the same axis, or of the same atom, are added up."""
    coefficients: dict[Axis, Dim] = {}
    atoms: dict[Expr, Dim] = {}
    constant: Dim = 0
    pending: list[tuple[Expr, Dim]] = [(e, s) for e, s in zip(index, slot.strides) if s != 0]
    while pending:
        e, factor = pending.pop()
        form = linear(e)
        if form is not None:
            constant = constant + form.constant * factor
            for a, c in form.coefficients.items():
                coefficients[a] = coefficients.get(a, 0) + c * factor
        elif e.op in ("add", "sub"):
            pending += [(e.args[0], factor), (e.args[1], factor if e.op == "add" else factor * -1)]
        elif e.op == "mul" and (scaled := _scaled(e)) is not None:
            pending.append((scaled[0], factor * scaled[1]))
        else:
            atoms[e] = atoms.get(e, 0) + factor
    form = Linear({a: c for a, c in coefficients.items() if c != 0}, constant)
    return Address(form, tuple((e, c) for e, c in atoms.items() if c != 0))


def unclamped(address: Address, atoms: Collection[Expr], assumed: frozenset[Expr]) -> tuple[Address, bool]:
    """The address with atoms max(min(x, last), 0) replaced by x where that is linear and the assumed conditions hold.

    atoms: those that may be replaced. Also returns whether any was; if so, the load needs the conditions as its guard.
    """
    form, kept = address.form, []
    for atom, stride in address.atoms:
        found = _clamped_form(atom, assumed) if atom in atoms else None
        if found is None:
            kept.append((atom, stride))
            continue
        total = dict(form.coefficients)
        for a, c in found.coefficients.items():
            total[a] = total.get(a, 0) + c * stride
        form = Linear({a: c for a, c in total.items() if c != 0}, form.constant + found.constant * stride)
    return Address(form, tuple(kept)), len(kept) < len(address.atoms)


def _clamped_form(atom: Expr, assumed: frozenset[Expr]) -> Linear | None:
    """The x of max(min(x, last), 0), if x is linear and neither bound is needed."""
    if atom.op != "max" or atom.args[0].op != "min":
        return None
    inner = atom.args[0].args[0]
    return linear(inner) if without_clamps(atom, assumed) is inner else None


def without_clamps(root: Expr, assumed: frozenset[Expr]) -> Expr:
    """x instead of max(x, 0) or min(x, last), where the assumed conditions imply 0 <= x or x <= last."""

    def replace(e: Expr) -> Expr | None:
        if e.op not in ("min", "max") or e.dtype is not DType.I64 or (end := _constant(e.args[1])) is None:
            return None
        if e.op == "max":
            return e.args[0] if end == 0 and _assumes(assumed, e.args[0], "ge", 0) else None
        is_below = _assumes(assumed, e.args[0], "le", end) or _assumes(assumed, e.args[0], "lt", end + 1)
        return e.args[0] if is_below else None

    return substitute(root, replace)


def _assumes(assumed: frozenset[Expr], x: Expr, op: str, end: Dim) -> bool:
    return any(c.op == op and c.args[0] is x and _constant(c.args[1]) == end for c in assumed)


def _constant(index: Expr) -> Dim | None:
    """The value of an index without axes."""
    form = linear(index)
    return None if form is None or form.coefficients else form.constant


def conjuncts(condition: Expr) -> frozenset[Expr]:
    """The conditions that `and` joins in this one; all of them hold when it holds."""
    if condition.op == "and":
        return conjuncts(condition.args[0]) | conjuncts(condition.args[1])
    return frozenset({condition})


def count_nodes(expr: Expr) -> int:
    """The number of operations in an expression, without its leaves."""
    return sum(bool(e.args) for e in walk(expr))


def _scaled(product: Expr) -> tuple[Expr, Dim] | None:
    for e, other in (product.args, product.args[::-1]):
        form = linear(other)
        if form is not None and not form.coefficients:
            return e, form.constant
    return None
