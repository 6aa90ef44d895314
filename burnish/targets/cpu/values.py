"""Expressions as LLVM IR: `Values` emits `burnish.ops.expr` nodes at the builder's position, each once.

A `Values` is a scope: axes bound to i64 values, at most one of them *vectorised* (its value is lane 0's; lane n is that + n).
`inside` opens a deeper scope (a loop body, a tile row) that shares what is computed here. Expressions that do not depend
on the vector axis are scalars and are splatted where they meet vectors.

Registers: f32 for f32, f16 and bf16 (rounded at stores and casts), f64, integers of their own width, i1 for bool.
Loads under a `where` happen only where its condition holds, unless their index is provably inside the slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.lower.task import Slot, Store
from burnish.ops.expr import BINARY, UNARY, Axis, Expr, Linear, free_axes, linear, walk
from burnish.targets.cpu import arithmetic, memory, reductions
from burnish.targets.cpu.builder import I64, KernelBuilder


class Values:
    """A scope of bound axes; see the module. `mask`: lanes that exist, for a vector's tail (None: all)."""

    def __init__(
        self,
        builder: KernelBuilder,
        slots: Sequence[Slot],
        axes: Mapping[Axis, ir.Value],
        *,
        vector: Axis | None = None,
        width: int = 1,
        mask: ir.Value | None = None,
        accumulators: Sequence[ir.Value] = (),
        pointers: Sequence[ir.Value] | None = None,
    ) -> None:
        self.builder, self.slots = builder, tuple(slots)
        self.pointers = builder.slots if pointers is None else tuple(pointers)
        self.axes: dict[Axis, ir.Value] = dict(axes)
        self.vector, self.width, self.mask = (vector, width, mask) if width > 1 else (None, 1, None)
        self.accumulators = tuple(accumulators)
        self.guard: ir.Value | None = None
        self._parent: Values | None = None
        self._known: dict[Expr, ir.Value] = {}

    def inside(
        self,
        axes: Mapping[Axis, ir.Value],
        *,
        vector: Axis | None = None,
        width: int = 1,
        mask: ir.Value | None = None,
    ) -> Values:
        """A deeper scope with more axes bound, and its own vector axis if one is given; else this scope's."""
        if vector is None:
            vector, width, mask = self.vector, self.width, self.mask
        child = Values(
            self.builder, self.slots, {**self.axes, **axes}, vector=vector, width=width, mask=mask,
            accumulators=self.accumulators, pointers=self.pointers,
        )  # fmt: skip
        child.guard, child._parent = self.guard, self
        return child

    def scalar(self) -> Values:
        """The same scope without its vector axis: for what does not depend on it."""
        axes = {a: v for a, v in self.axes.items() if a != self.vector}
        child = Values(self.builder, self.slots, axes, accumulators=self.accumulators, pointers=self.pointers)
        child._parent = self
        return child

    # -- values ---------------------------------------------------------------------------------------------------

    def value(self, expr: Expr) -> ir.Value:
        """The expression's value here: a vector of `width` lanes if it depends on the vector axis, else a scalar."""
        found = self.find(expr)
        if found is None:
            if self.guard is not None and self._parent is not None and not _has_loads(expr):
                return self._unguarded().value(expr)
            found = self._emit(expr)
            self.remember(expr, found)
        return found

    def vectorised(self, expr: Expr) -> ir.Value:
        """The value in all `width` lanes."""
        return self.builder.splat(self.value(expr), self.width)

    def find(self, expr: Expr) -> ir.Value | None:
        """The value if this scope or one around it has computed it."""
        scope: Values | None = self
        while scope is not None:
            if (found := scope._known.get(expr)) is not None:
                return found
            scope = scope._parent
        return None

    def remember(self, expr: Expr, value: ir.Value) -> None:
        """From now on, the expression has this value in this scope."""
        self._known[expr] = value

    def varies(self, expr: Expr) -> bool:
        """Does the expression differ from lane to lane?"""
        return self.vector is not None and self.vector in free_axes(expr)

    def store(self, store: Store, value: ir.Value | None = None) -> None:
        """Store the value (the store's own expression, or one already emitted) at the store's index."""
        value = self.value(store.value) if value is None else value
        memory.store(self, store.slot, store.index, value)

    # -- emission -------------------------------------------------------------------------------------------------

    def _emit(self, expr: Expr) -> ir.Value:
        b = self.builder
        if expr.op == "const":
            return ir.Constant(arithmetic.register_type(expr.dtype), expr.attr)
        if expr.op == "axis":
            base = self.axes[expr.attr]
            if expr.attr == self.vector:
                return b.ir.add(b.splat(base, self.width), b.iota(self.width))
            return base
        if expr.op == "dim":
            return b.dim(expr.attr)
        if expr.op == "acc":
            return self.accumulators[expr.attr]
        if expr.op == "load":
            return memory.load(self, expr)
        if expr.op == "reduce":
            reductions.emit([(self, expr)])
            found = self.find(expr)
            assert found is not None
            return found
        if expr.op == "where":
            return self._where(expr)
        if expr.dtype is DType.I64 and (form := _worthwhile(expr)) is not None:
            return self.linear_value(form)
        return self._pointwise(expr)

    def _pointwise(self, expr: Expr) -> ir.Value:
        arguments = [self.value(a) for a in expr.args]
        arguments = self.together(arguments)
        dtype = expr.args[0].dtype
        if expr.op == "cast":
            return arithmetic.cast(self.builder, dtype, expr.dtype, arguments[0])
        if expr.op in UNARY:
            return arithmetic.unary(self.builder, expr.op, dtype, arguments[0])
        assert expr.op in BINARY, expr.op
        return arithmetic.binary(self.builder, expr.op, dtype, arguments[0], arguments[1])

    def together(self, values: Sequence[ir.Value]) -> list[ir.Value]:
        """All as vectors if one of them is."""
        if any(isinstance(v.type, ir.VectorType) for v in values):
            return [self.builder.splat(v, self.width) for v in values]
        return list(values)

    def _where(self, expr: Expr) -> ir.Value:
        condition, then, otherwise = expr.args
        c = self.value(condition)
        sides = []
        for side, negate in ((then, False), (otherwise, True)):
            if memory.has_unsafe_loads(side, self.slots):
                sides.append(self._guarded(self.builder.ir.not_(c) if negate else c).value(side))
            else:
                sides.append(self.value(side))
        if not isinstance(c.type, ir.VectorType):
            a, b = self.together(sides)
            return self.builder.ir.select(c, a, b)
        return self.builder.ir.select(*self.together([c, *sides]))

    def _guarded(self, condition: ir.Value) -> Values:
        child = self.inside({})
        if self.guard is None:
            child.guard = condition
        else:
            child.guard = self.builder.ir.and_(*self.together([self.guard, condition]))
        return child

    def _unguarded(self) -> Values:
        """The scope around this one in which loads need no guard, or less of one; same position in the code."""
        assert self._parent is not None
        return self._parent if self._parent.axes == self.axes and self._parent.vector == self.vector else self

    def linear_value(self, form: Linear) -> ir.Value:
        """A linear index as an i64."""
        scalar = self.linear_base(form)
        step = form.coefficients.get(self.vector, 0) if self.vector is not None else 0
        if step == 0:
            return scalar
        b = self.builder
        lanes = b.iota(self.width)
        if step != 1:
            lanes = b.ir.mul(lanes, b.splat(b.dim(step), self.width))
        return b.ir.add(b.splat(scalar, self.width), lanes)

    def linear_base(self, form: Linear) -> ir.Value:
        """A linear index at lane 0."""
        b = self.builder
        constant: Dim = form.constant
        total: ir.Value | None = None
        for variable, coefficient in form.coefficients.items():
            value = self.axes[variable]
            if isinstance(value, ir.Constant):
                constant = constant + coefficient * int(value.constant)
                continue
            if coefficient != 1:
                value = b.ir.mul(value, b.dim(coefficient), flags=("nsw",))
            total = value if total is None else b.ir.add(total, value, flags=("nsw",))
        if total is None or constant != 0:
            total = b.dim(constant) if total is None else b.ir.add(total, b.dim(constant), flags=("nsw",))
        return total


def _worthwhile(expr: Expr) -> Linear | None:
    return linear(expr) if expr.op in ("add", "sub", "mul", "neg") else None


def _has_loads(expr: Expr) -> bool:
    return any(e.op == "load" for e in walk(expr))


__all__ = ["I64", "Values"]
