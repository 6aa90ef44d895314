"""Write expressions as code for any machine: a `Scope` computes `burnish.ops.language.expr` nodes, each once.

A scope is a place in a kernel at which axes are bound. `inside` opens a deeper one (a loop's body, a row of a tile),
which shares what is computed here. A target gives the `Instructions`, and only they know what a value `V` is: lanes of
a register, a block of a tile, a scalar. The values of `Scope.axes` are axes as they are bound; `Instructions.index`
makes an ordinary value of one.

A load under a `where` that might leave its slot is made only where the condition holds (the guard). The same is true of
a clamped load that would be contiguous without its clamp. An index that comes from data is clamped into its slot.

Every load and store of an expression passes through `Scope.load` and `Scope.store`, which know its slot and its flat
offset. Code that must apply to all loads or stores on every target belongs there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.facts import FAR, Address, Facts, Range, conjuncts, unclamped
from burnish.kernels.slot import Slot
from burnish.kernels.task import Store
from burnish.ops.language.expr import BINARY, UNARY, Axis, Expr, Linear, linear

V = TypeVar("V")
C = TypeVar("C", bound="Instructions[Any]")
_LEAVES = ("const", "axis", "dim", "acc")


@dataclass(frozen=True, slots=True)
class Term(Generic[V]):
    """value * factor, a part of an offset. most: the largest absolute value that `value` can have."""

    value: V
    factor: Dim
    most: int


class Instructions(Protocol[V]):
    """The instructions of a target at one place of a kernel. Each method writes code there and returns the value."""

    @property
    def sums_indexes(self) -> bool:
        """Is an index that is linear in the axes one `offset`? If not, each operation is computed."""

    def const(self, value: float | int | bool, dtype: DType) -> V: ...

    def dim(self, value: Dim) -> V:
        """A dimension as an i64."""

    def index(self, place: V) -> V:
        """A bound axis, or an offset, as an ordinary value."""

    def unary(self, op: str, dtype: DType, x: V) -> V:
        """dtype: of x"""

    def binary(self, op: str, dtype: DType, x: V, y: V, ranges: Sequence[Range]) -> V:
        """dtype: of x and y; ranges: of the result, of x and of y if they are integers (otherwise none)."""

    def cast(self, source: DType, target: DType, x: V) -> V: ...

    def select(self, dtype: DType, test: V, x: V, y: V) -> V:
        """x where the test holds, else y; both are of the dtype."""

    def negated(self, test: V) -> V: ...

    def both(self, x: V, y: V) -> V:
        """The conjunction of two conditions."""

    def is_scattered(self, places: Sequence[V]) -> bool:
        """Does an index that is not linear in these axes keep a load from being contiguous?"""

    def offset(self, constant: Dim, axes: Sequence[Term[V]], atoms: Iterable[Term[V]], is_scattered: bool) -> V:
        """A flat offset: a constant, terms of bound axes, and terms of other indexes.

        atoms: computed one by one as they are taken; is_scattered: one of them is scattered
        """

    def clamped(self, offset: V, last: Dim) -> V:
        """The offset, at least 0 and at most `last`."""

    def load(self, number: int, slot: Slot, offset: V, places: Sequence[V], guard: V | None) -> V:
        """An element, in register form. places: of the axes in the offset; guard: where the element may be read."""

    def stored(self, dtype: DType, value: V) -> V:
        """The value as memory holds it."""

    def store(self, number: int, slot: Slot, offset: V, places: Sequence[V], value: V) -> None:
        """Write a value that `stored` returned."""

    def reduce(self, scope: Any, expr: Expr) -> V:
        """Compute a reduction in the scope that needs it (a scope over these instructions)."""


class Scope(Generic[V, C]):
    """A scope; see the module.

    code          writes at this place
    axes          each axis that is bound here
    accumulators  the values of acc(0), acc(1) ...
    guard         the condition for loads that might leave their slots; None: always allowed
    assumed       conditions that hold there
    """

    def __init__(
        self,
        code: C,
        slots: Sequence[Slot],
        axes: Mapping[Axis, V],
        *,
        accumulators: Sequence[V] = (),
        guard: V | None = None,
        assumed: frozenset[Expr] = frozenset(),
        parent: Scope[V, C] | None = None,
    ) -> None:
        self.code, self.slots, self.axes = code, tuple(slots), dict(axes)
        self.accumulators, self.guard, self.assumed = tuple(accumulators), guard, assumed
        self.facts: Facts = Facts(slots) if parent is None else parent.facts
        self._parent = parent
        self._outside_guard: Scope[V, C] | None = None
        self._known: dict[Expr, V] = {}

    def inside(self, axes: Mapping[Axis, V], code: C | None = None) -> Scope[V, C]:
        """A deeper scope with more axes bound.

        If an axis is bound again, values that depend on it are forgotten there.
        """
        return Scope(
            self.code if code is None else code, self.slots, {**self.axes, **axes}, accumulators=self.accumulators,
            guard=self.guard, assumed=self.assumed, parent=self,
        )  # fmt: skip

    def without(self, axes: Collection[Axis], code: C, guard: V | None) -> Scope[V, C]:
        """This scope without some axes, for values that do not depend on them. guard: this scope's, without them too"""
        kept = {a: place for a, place in self.axes.items() if a not in axes}
        return Scope(code, self.slots, kept, accumulators=self.accumulators, guard=guard, parent=self)

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self, expr: Expr) -> V:
        """The expression's value here. Code is written if no scope has computed it yet."""
        found = self.find(expr)
        if found is None:
            if self._outside_guard is not None and not (self.facts.loads(expr) or self.facts.reduces(expr)):
                return self._outside_guard.value(expr)
            found = self._compute(expr)
            self.remember(expr, found)
        return found

    def find(self, expr: Expr) -> V | None:
        """The value, if this scope or an outer one has computed it."""
        scope: Scope[V, C] | None = self
        free: frozenset[Axis] | None = None
        while scope is not None:
            if (found := scope._known.get(expr)) is not None:
                return found
            around = scope._parent
            if around is not None and around.axes != scope.axes:
                free = self.facts.free(expr) if free is None else free
                if any(scope.axes[a] != around.axes.get(a) for a in free if a in scope.axes):
                    return None
            scope = around
        return None

    def remember(self, expr: Expr, value: V) -> None:
        """From now on, the expression has this value in this scope."""
        self._known[expr] = value

    def is_scattered(self, expr: Expr) -> bool:
        """Whether the instructions call the expression scattered, given the axes that it depends on."""
        return self.code.is_scattered([self.axes[a] for a in self.facts.free(expr) if a in self.axes])

    def hoist(self, exprs: Iterable[Expr], axes: Iterable[Axis]) -> None:
        """Before loops over `axes` open, compute here the subexpressions that do not depend on those axes."""
        for e in self.invariants(exprs, axes):
            self.value(e)

    def invariants(self, exprs: Iterable[Expr], axes: Iterable[Axis]) -> list[Expr]:
        """The largest subexpressions that do not use the axes, are worth a register, and need no guard by a `where`."""
        wanted: dict[Expr, None] = {}
        for e in exprs:
            self._invariants(e, frozenset(axes), wanted)
        return list(wanted)

    def _invariants(self, expr: Expr, axes: frozenset[Axis], wanted: dict[Expr, None]) -> None:
        if expr.op in _LEAVES or expr in wanted:
            return
        free = self.facts.free(expr)
        if not free & axes and free <= self.axes.keys():
            wanted[expr] = None
        elif expr.op == "where":
            self._invariants(expr.args[0], axes, wanted)
            for side in expr.args[1:]:
                if not self.facts.unsafe(side):
                    self._invariants(side, axes, wanted)
        else:
            inner = axes | set(expr.attr[1]) if expr.op == "reduce" else axes
            for a in expr.args:
                if expr.op != "load" or linear(a) is None:
                    self._invariants(a, inner, wanted)

    # -- memory -------------------------------------------------------------------------------------------------------

    def load(self, expr: Expr) -> V:
        """Write the code of a load. Call `value` instead to read each element only once."""
        number: int = expr.attr
        address = self.facts.address(number, expr.args)
        is_inside = self.facts.is_inside(expr)
        guard = None if is_inside else self.guard
        if self.guard is not None:
            scattered = frozenset(atom for atom, _ in address.atoms if self.is_scattered(atom))
            address, changed = unclamped(address, scattered, self.assumed)
            guard = self.guard if changed else guard
        offset = self.offset(address)
        comes_from_data = any(self.facts.loads(atom) for atom, _ in address.atoms)
        slot = self.slots[number]
        if comes_from_data and not is_inside and slot.is_forward:
            offset = self.code.clamped(offset, slot.span - 1)
        loaded: V = self.code.load(number, slot, offset, self._places(address), guard)
        return loaded

    def store(self, number: int, index: Sequence[Expr], value: V) -> None:
        """slots[number][index] = value, rounded to the slot's dtype."""
        slot = self.slots[number]
        address = self.facts.address(number, tuple(index))
        stored = self.code.stored(slot.dtype, value)
        self.code.store(number, slot, self.offset(address), self._places(address), stored)

    def stores(self, stores: Iterable[Store]) -> None:
        """Compute every value first, then do every store: a store may overwrite memory that another value reads."""
        stores = list(stores)
        values = [self.value(s.value) for s in stores]
        for s, value in zip(stores, values):
            self.store(s.slot, s.index, value)

    def offset(self, address: Address) -> V:
        """The flat element offset."""
        axes = [
            Term(self.axes[a], factor, a.extent if isinstance(a.extent, int) else FAR)
            for a, factor in address.form.coefficients.items()
        ]
        scattered = any(self.is_scattered(atom) for atom, _ in address.atoms)
        found: V = self.code.offset(address.form.constant, axes, self._atoms(address), scattered)
        return found

    def _atoms(self, address: Address) -> Iterable[Term[V]]:
        for atom, stride in address.atoms:
            low, high = self.facts.range(atom)
            yield Term(self.value(atom), stride, max(abs(low), abs(high)))

    def _places(self, address: Address) -> list[V]:
        """The places of the axes that an address depends on, in the scope's order."""
        used = set(address.form.coefficients).union(*(self.facts.free(atom) for atom, _ in address.atoms))
        return [place for a, place in self.axes.items() if a in used]

    # -- code ---------------------------------------------------------------------------------------------------------

    def _compute(self, expr: Expr) -> V:
        found: V
        if expr.op == "const":
            found = self.code.const(expr.attr, expr.dtype)
        elif expr.op == "axis":
            found = self.code.index(self.axes[expr.attr])
        elif expr.op == "dim":
            found = self.code.dim(expr.attr)
        elif expr.op == "acc":
            found = self.accumulators[expr.attr]
        elif expr.op == "load":
            found = self.load(expr)
        elif expr.op == "reduce":
            found = self.code.reduce(self, expr)
        elif expr.op == "where":
            found = self._where(expr)
        elif self.code.sums_indexes and (form := _sum(expr)) is not None:
            found = self.code.index(self.offset(Address(form, ())))
        else:
            found = self._operation(expr)
        return found

    def _operation(self, expr: Expr) -> V:
        x, *others = [self.value(a) for a in expr.args]
        dtype, found = expr.args[0].dtype, x
        if expr.op == "cast":
            found = self.code.cast(dtype, expr.dtype, x)
        elif expr.op in UNARY:
            found = self.code.unary(expr.op, dtype, x)
        else:
            assert expr.op in BINARY, expr.op
            ranges = [self.facts.range(e) for e in (expr, *expr.args)] if dtype.is_integer else []
            found = self.code.binary(expr.op, dtype, x, others[0], ranges)
        return found

    def _where(self, expr: Expr) -> V:
        condition, then, otherwise = expr.args
        test = self.value(condition)
        sides = []
        for side, is_then in ((then, True), (otherwise, False)):
            scope = self
            if self._needs_guard(side):
                holds = conjuncts(condition) if is_then else frozenset[Expr]()
                scope = self._guarded(test if is_then else self.code.negated(test), holds)
            sides.append(scope.value(side))
        found: V = self.code.select(expr.dtype, test, *sides)
        return found

    def _needs_guard(self, side: Expr) -> bool:
        """Might a load leave its slot, or would it be contiguous under a guard?"""
        if self.facts.unsafe(side):
            return True
        loads = self.facts.loads(side)
        return any(self.is_scattered(atom) for e in loads for atom, _ in self.facts.address(e.attr, e.args).atoms)

    def _guarded(self, condition: V, holds: frozenset[Expr]) -> Scope[V, C]:
        """This scope for loads that are made only where one more condition is true.

        Its other values are known here too.
        """
        guard = condition if self.guard is None else self.code.both(self.guard, condition)
        child = Scope(
            self.code, self.slots, self.axes, accumulators=self.accumulators, guard=guard,
            assumed=self.assumed | holds, parent=self,
        )  # fmt: skip
        child._outside_guard = self
        return child


def _sum(expr: Expr) -> Linear | None:
    """A sum of axes as a linear form; None for anything else."""
    return linear(expr) if expr.dtype is DType.I64 and expr.op in ("add", "sub", "mul", "neg") else None
