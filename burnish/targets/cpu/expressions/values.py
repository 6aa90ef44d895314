"""Expressions as LLVM IR: `Values` emits `burnish.ops.language.expr` nodes at the builder's position, each once.

A `Values` is a scope: axes bound to i64 values, at most one of them *vectorised* (its value is lane 0's).
`inside` opens a deeper scope (a loop body, a tile row) that shares what is computed here. What does not depend on the
vector axis is a scalar, splatted where it meets vectors.

Registers: f32 for f32, f16 and bf16 (rounded at stores and casts), f64, integers of their own width, i1 for bool.
Loads under a `where` happen only where its condition holds, unless their index is provably inside the slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.facts import Facts, conjuncts
from burnish.kernels.task import Slot, Store
from burnish.ops.language.expr import BINARY, UNARY, Axis, Expr, Linear, linear, walk
from burnish.targets.cpu.builder import KernelBuilder
from burnish.targets.cpu.expressions import arithmetic, memory, reductions, storage


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
        self.facts = Facts(slots)
        self.guard: ir.Value | None = None
        self.assumed: frozenset[Expr] = frozenset()
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
        child.guard, child.assumed, child.facts, child._parent = self.guard, self.assumed, self.facts, self
        return child

    def scalar(self) -> Values:
        """The same scope without its vector axis: for what does not depend on it."""
        axes = {a: v for a, v in self.axes.items() if a != self.vector}
        child = Values(self.builder, self.slots, axes, accumulators=self.accumulators, pointers=self.pointers)
        child.facts, child._parent = self.facts, self
        return child

    # -- values ---------------------------------------------------------------------------------------------------

    def value(self, expr: Expr) -> ir.Value:
        """The expression's value here: a vector of `width` lanes if it depends on the vector axis, else a scalar."""
        found = self.find(expr)
        if found is None:
            if self.guard is not None and (around := self._around_guard()) is not None and not self.facts.loads(expr):
                return around.value(expr)
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
        return self.vector is not None and self.vector in self.facts.free(expr)

    def store(self, store: Store, value: ir.Value | None = None) -> None:
        """Store the value (the store's own expression, or one already emitted) at the store's index."""
        value = self.value(store.value) if value is None else value
        memory.store(self, store.slot, store.index, value)

    def hoist(self, exprs: Sequence[Expr], axes: Sequence[Axis]) -> None:
        """Before loops over `axes` are opened: compute, here, what inside them does not depend on those axes."""
        wanted: dict[Expr, None] = {}
        for e in exprs:
            self._invariant(e, frozenset(axes), wanted)
        self.reduce_together([self], list(wanted))
        for e in wanted:
            self.value(e)

    def _invariant(self, expr: Expr, axes: frozenset[Axis], wanted: dict[Expr, None]) -> None:
        """The largest subexpressions that are free of the axes and worth a register."""
        if expr.op in ("const", "axis", "dim", "acc") or expr in wanted:
            return
        if not self.facts.free(expr) & axes:
            wanted[expr] = None
        elif expr.op == "load":
            for a in expr.args:
                if linear(a) is None:
                    self._invariant(a, axes, wanted)
        elif expr.op == "where":
            self._invariant(expr.args[0], axes, wanted)
            for side in expr.args[1:]:
                if not self.facts.unsafe(side):
                    self._invariant(side, axes, wanted)
        else:
            inner = axes | set(expr.attr[1]) if expr.op == "reduce" else axes
            for a in expr.args:
                self._invariant(a, inner, wanted)

    @staticmethod
    def reduce_together(scopes: Sequence[Values], exprs: Sequence[Expr]) -> None:
        """Emit the expressions' reductions for every scope, those over the same axes in one loop."""
        found: dict[tuple[int, tuple[Axis, ...]], list[Expr]] = {}
        depth: dict[Expr, int] = {}
        guarded = {r for e in exprs for r in _guarded_reductions(e, scopes[0].facts)}
        for e in exprs:
            for node in walk(e):
                depth[node] = max((depth[a] for a in node.args), default=0) + (node.op == "reduce")
        bound = set(scopes[0].axes)
        for node, level in depth.items():
            if node.op == "reduce" and node not in guarded and scopes[0].facts.free(node) <= bound:
                found.setdefault((level, node.attr[1]), []).append(node)
        for _, nodes in sorted(found.items(), key=lambda item: item[0][0]):
            wanted = [(s, n) for s in scopes for n in dict.fromkeys(nodes) if s.find(n) is None]
            if wanted:
                reductions.emit(wanted)

    # -- emission -------------------------------------------------------------------------------------------------

    def _emit(self, expr: Expr) -> ir.Value:
        b = self.builder
        if expr.op == "const":
            return ir.Constant(storage.register_type(expr.dtype), expr.attr)
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
        if expr.op == "div" and _is_softmax_total(expr.args[1]):  # at least 1, so that its reciprocal is safe
            reciprocal = arithmetic.unary(self.builder, "reciprocal", dtype, self.value(expr.args[1]))
            return arithmetic.binary(self.builder, "mul", dtype, *self.together([arguments[0], reciprocal]))
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
            if self._needs_guard(side):
                guarded = self._guarded(self.builder.ir.not_(c) if negate else c)
                guarded.assumed |= frozenset() if negate else conjuncts(condition)
                sides.append(guarded.value(side))
            else:
                sides.append(self.value(side))
        if not isinstance(c.type, ir.VectorType):
            a, b = self.together(sides)
            return self.builder.ir.select(c, a, b)
        return self.builder.ir.select(*self.together([c, *sides]))

    def _needs_guard(self, side: Expr) -> bool:
        """Might a load leave its slot, or would it be contiguous if it need not care?"""
        if self.facts.unsafe(side):
            return True
        loads = self.facts.loads(side) if self.vector is not None else ()
        return any(self.varies(atom) for e in loads for atom, _ in self.facts.address(e.attr, e.args).atoms)

    def _guarded(self, condition: ir.Value) -> Values:
        child = self.inside({})
        if self.guard is None:
            child.guard = condition
        else:
            child.guard = self.builder.ir.and_(*self.together([self.guard, condition]))
        return child

    def _around_guard(self) -> Values | None:
        """The scope at the same place in the code whose loads need no guard, or a weaker one."""
        parent = self._parent
        same = parent is not None and parent.axes == self.axes and parent.guard is not self.guard
        return parent if same else None

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


def _is_softmax_total(expr: Expr) -> bool:
    """sum over an axis of exp(x - max over that axis of x)"""
    if expr.op != "reduce" or expr.attr[0] != "sum" or expr.args[0].op != "exp":
        return False
    shifted = expr.args[0].args[0]
    return shifted.op == "sub" and shifted.args[1].op == "reduce" and shifted.args[1].attr[0] == "max"


def _guarded_reductions(expr: Expr, facts: Facts) -> set[Expr]:
    """Reductions that only a `where` makes safe: they are emitted under its guard, when they are met."""
    return {
        r
        for node in walk(expr)
        if node.op == "where"
        for side in node.args[1:]
        if facts.unsafe(side)
        for r in reductions.nested(side)
    }
