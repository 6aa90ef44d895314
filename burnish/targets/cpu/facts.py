"""What is known of a kernel's expressions before any code is written: addresses, free axes, ranges. Each is found once.

An address is a flat element offset: a linear form of the axes, plus *atoms* (indexes that are not linear: gathers,
clamps, divisions), each times a stride. `is_inside` proves by interval arithmetic that no value leaves the slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.dims import Dim
from burnish.lower.task import Slot
from burnish.ops.expr import Axis, Expr, Linear, linear, walk

Range = tuple[int, int]


@dataclass(frozen=True)
class Address:
    """form + sum of stride * atom"""

    form: Linear
    atoms: tuple[tuple[Expr, Dim], ...]


class Facts:
    """Answers about expressions over given slots, remembered."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = tuple(slots)
        self._free: dict[Expr, frozenset[Axis]] = {}
        self._address: dict[tuple[int, tuple[Expr, ...]], Address] = {}
        self._range: dict[Expr, Range | None] = {}
        self._loads: dict[Expr, frozenset[Expr]] = {}

    def free(self, expr: Expr) -> frozenset[Axis]:
        """The axes an expression depends on and does not reduce."""
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
        """Every load in an expression, those inside indexes too."""
        found = self._loads.get(expr)
        if found is None:
            found = frozenset().union(*(self.loads(a) for a in expr.args))
            if expr.op == "load":
                found |= {expr}
            self._loads[expr] = found
        return found

    def address(self, slot: int, index: tuple[Expr, ...]) -> Address:
        """The flat offset of a logical index into a slot."""
        found = self._address.get((slot, index))
        if found is None:
            found = self._address[slot, index] = flatten(self.slots[slot], index)
        return found

    def unsafe(self, expr: Expr) -> bool:
        """Is there a load that might leave its slot, for all that is known?"""
        return any(not self.is_inside(e) for e in self.loads(expr))

    def is_inside(self, load: Expr) -> bool:
        """Is a load within its slot whatever the axes' values? Those that come from data are not: they get clamped."""
        slot = self.slots[load.attr]
        return all(self._axis_inside(e, extent) for e, extent in zip(load.args, slot.shape))

    def _axis_inside(self, index: Expr, extent: Dim) -> bool:
        if index.op == "axis" and index.attr.extent == extent:
            return True
        found = self.range(index)
        return found is not None and isinstance(extent, int) and found[0] >= 0 and found[1] < extent

    def range(self, expr: Expr) -> Range | None:
        """(lowest, highest) value of an index, or None."""
        if expr not in self._range:
            self._range[expr] = self._find_range(expr)
        return self._range[expr]

    def _find_range(self, expr: Expr) -> Range | None:
        if expr.op == "const":
            return (int(expr.attr), int(expr.attr)) if not expr.dtype.is_float else None
        if expr.op == "axis":
            extent = expr.attr.extent
            return (0, max(extent - 1, 0)) if isinstance(extent, int) else None
        if expr.op in ("min", "max"):
            return self._clamped_range(expr)
        parts = [self.range(a) for a in expr.args]
        if len(parts) != 2 or parts[0] is None or parts[1] is None:
            return None
        (a, b), (c, d) = parts[0], parts[1]
        if expr.op == "add":
            return a + c, b + d
        if expr.op == "sub":
            return a - d, b - c
        if expr.op == "mul":
            corners = (a * c, a * d, b * c, b * d)
            return min(corners), max(corners)
        if expr.op in ("floordiv", "mod") and c == d and c > 0:
            return (a // c, b // c) if expr.op == "floordiv" else ((a, b) if a >= 0 and b < c else (0, c - 1))
        return None

    def _clamped_range(self, expr: Expr) -> Range | None:
        """max(x, 0) is at least 0 and min(x, n) at most n, whatever x is; one open end is given as a very far one."""
        far = 1 << 62
        sides = [self.range(a) or (-far, far) for a in expr.args]
        pick = max if expr.op == "max" else min
        low, high = pick(s[0] for s in sides), pick(s[1] for s in sides)
        return None if low == -far and high == far else (low, high)


def flatten(slot: Slot, index: Sequence[Expr]) -> Address:
    """The flat offset of a logical index; terms of one axis, and of one atom, are gathered."""
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


def unclamped(atom: Expr, assumed: frozenset[Expr]) -> Linear | None:
    """x of max(min(x, last), 0), if x is linear and the assumed conditions say 0 <= x <= last."""
    if atom.op != "max" or atom.args[1].op != "const" or atom.args[1].attr != 0 or atom.args[0].op != "min":
        return None
    inner, last = atom.args[0].args
    form = linear(inner)
    if form is None:
        return None
    above = below = False
    for condition in assumed:
        if condition.op in ("ge", "le", "lt") and condition.args[0] is inner:
            limit = linear(condition.args[1])
            end = linear(last)
            if limit is None or limit.coefficients or end is None or end.coefficients:
                continue
            above |= condition.op == "ge" and limit.constant == 0
            below |= condition.op == "le" and limit.constant == end.constant
            below |= condition.op == "lt" and limit.constant == end.constant + 1
    return form if above and below else None


def conjuncts(condition: Expr) -> frozenset[Expr]:
    """The conditions that hold when this one does."""
    if condition.op == "and":
        return conjuncts(condition.args[0]) | conjuncts(condition.args[1])
    return frozenset({condition})


def count_nodes(expr: Expr) -> int:
    """How many operations an expression takes, leaves not counted."""
    return sum(bool(e.args) for e in walk(expr))


def _scaled(product: Expr) -> tuple[Expr, Dim] | None:
    for e, other in (product.args, product.args[::-1]):
        form = linear(other)
        if form is not None and not form.coefficients:
            return e, form.constant
    return None
