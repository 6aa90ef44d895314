"""Reductions of the loops template: sum, prod, max, min over axes, inside a scope of the tile.

    across   the axes, as one, lie in the tile's columns: chunks of a block are combined lane by lane, then along rows
    down     the axes lie in the tile's rows (which nothing else uses), combined in the same way along columns
    serial   both are used: a loop, or straight-line code, over the axes' steps

If a reduction has as many elements as the bound columns, it uses those columns, so that data that both read is read
once (a softmax's row, a norm's row). Lanes beyond the end count as the reduction's neutral value. Long sums are sums of
many partial sums, in an order that depends only on the schedule.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product as indexes

from burnish.dims import known, product
from burnish.dtypes import DType
from burnish.kernels.facts import count_nodes
from burnish.kernels.simplify import simplify
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, Expr, axis, const, dim, linear, neutral, substitute, substitute_axes, walk
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.emitter import Emitter, Value, placed
from burnish.targets.cuda.loops.axes import bind, columns_block, next_power, rows_block, whole_mask
from burnish.targets.cuda.text import Variable

UNROLL_LIMIT = 500  # operations of straight-line code
AHEAD = 16  # steps of it whose loads come before their uses: the assembler keeps that order


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a tile, or of one that has an extent of 1."""

    rows: int
    columns: int

    def __str__(self) -> str:
        return f"[{self.rows}, {self.columns}]"


@dataclass
class Reductions:
    """How the reductions of one kernel are done.

    rows, block   the tile's extents;  down: may reductions lie in the rows
    columns       the domain's axes in the columns, if all of them are bound at once; then `matching` shares them
    roots         the kernel's values, where reductions over the same axes are found, to be done in one loop
    """

    rows: int
    block: int
    down: bool
    columns: tuple[Axis, ...]
    roots: tuple[Expr, ...]

    def reduce(self, scope: Emitter, expr: Expr) -> Value:
        """The value of a `reduce` node here; the reducer of `BlockInstructions`."""
        axes: tuple[Axis, ...] = expr.attr[1]
        used = self._dims(scope, expr)
        if self._matches(scope, axes, used):
            return self._over_columns(scope, expr, axes, used)
        extent = product(a.extent for a in axes)
        if 1 not in used:
            self._tiled(scope, self._together(scope, expr), axes, used, 1)
        elif self.down and 0 not in used and not (isinstance(extent, int) and extent < 4):
            self._tiled(scope, self._together(scope, expr), axes, used, 0)
        else:
            self._serial(scope, expr, axes, used)
        found = scope.find(expr)
        assert found is not None
        return found

    def shape(self, dims: frozenset[int]) -> Shape:
        """The shape of a value that varies along these dimensions."""
        return Shape(self.rows if 0 in dims else 1, self.block if 1 in dims else 1)

    def _dims(self, scope: Emitter, expr: Expr) -> frozenset[int]:
        """The dimensions that the result varies along."""
        found: frozenset[int] = frozenset() if scope.guard is None else scope.guard.dims
        for a in scope.facts.free(expr):
            found |= scope.axes[a].dims
        return found

    def _matches(self, scope: Emitter, axes: Sequence[Axis], used: frozenset[int]) -> bool:
        same = [a.extent for a in axes] == [a.extent for a in self.columns]
        return same and 1 not in used and all(a in scope.axes and scope.axes[a].dims for a in self.columns)

    def _over_columns(self, scope: Emitter, expr: Expr, axes: Sequence[Axis], used: frozenset[int]) -> Value:
        """The whole extent is in the tile: one reduction along the row."""
        body = substitute_axes(expr.args[0], {a: axis(c) for a, c in zip(axes, self.columns)})
        value = scope.value(body)
        kept = _kept(scope, expr, value, scope.axes[self.columns[0]].mask, self.shape(used | {1}))
        return _along(scope, expr, kept, 1, used)

    def _together(self, scope: Emitter, expr: Expr) -> list[Expr]:
        """The reduction, and others over the same axes that can be done in the same loop."""
        found = [expr]
        if scope.guard is not None:
            return found
        level = _height(expr)
        for node in dict.fromkeys(n for root in self.roots for n in walk(root)):
            if node is expr or node.op != "reduce" or node.attr[1] != expr.attr[1] or _height(node) != level:
                continue
            bound = scope.facts.free(node) <= set(scope.axes)
            same = bound and self._dims(scope, node) == self._dims(scope, expr)
            if same and scope.find(node) is None and not scope.facts.unsafe(node):
                found.append(node)
        return found

    def _tiled(
        self, scope: Emitter, exprs: Sequence[Expr], axes: Sequence[Axis], used: frozenset[int], along: int
    ) -> None:
        """Chunks of a block along one dimension of the tile."""
        extent = product(a.extent for a in axes)
        most = self.block if along == 1 else self.rows
        is_flat = not any(_has_reduction(e.args[0]) for e in exprs)  # else the tile's own extents are needed inside
        block = min(most, next_power(extent)) if isinstance(extent, int) and is_flat else most
        make = columns_block if along == 1 else rows_block
        if isinstance(extent, int) and extent <= block:
            index = scope.code.let(make(block), "r")
            inner = scope.inside(bind(scope, axes, index, along, whole_mask(scope, index, block, extent)))
            for e in exprs:
                value = inner.value(e.args[0])
                kept = _kept(scope, e, value, inner.axes[axes[0]].mask, self._chunk_shape(used, along, block))
                scope.remember(e, _along(scope, e, kept, along, used))
            return
        scope.hoist([e.args[0] for e in exprs], axes)
        shape = self._chunk_shape(used, along, block)
        totals = [self._start(scope, e, shape) for e in exprs]
        values = f"range(0, {scope.code.text.number(extent)}, {block})"
        with scope.code.text.loop(scope.code.text.numbered("k"), values) as start:
            inner = scope.inside({})
            index = inner.code.let(make(block, start), "r")
            inner = inner.inside(bind(inner, axes, index, along, whole_mask(inner, index, block, extent)))
            self._accumulate(inner, exprs, totals, inner.axes[axes[0]].mask, shape)
        for e, total in zip(exprs, totals):
            scope.remember(e, _along(scope, e, total, along, used))

    def _chunk_shape(self, used: frozenset[int], along: int, block: int) -> Shape:
        if along == 1:
            return Shape(self.rows if 0 in used else 1, block)
        return Shape(block, self.block if 1 in used else 1)

    def _accumulate(
        self, inner: Emitter, exprs: Sequence[Expr], totals: Sequence[Variable], mask: str, shape: Shape
    ) -> None:
        values = [_kept(inner, e, inner.value(e.args[0]), mask, shape) for e in exprs]
        _combine(inner, exprs, totals, values)

    def _start(self, scope: Emitter, expr: Expr, shape: Shape) -> Variable:
        kind = arithmetic.register_kind(expr.dtype)
        zero = arithmetic.literal(neutral(expr.attr[0], expr.dtype), kind)
        return Variable(scope.code.let(f"tl.full({shape}, {zero}, tl.{kind})", "total"))

    def _serial(self, scope: Emitter, expr: Expr, axes: Sequence[Axis], used: frozenset[int]) -> None:
        """Outer axes as loops; the inner ones in straight-line code, as long as that stays short."""
        cut = _unrolled_from(expr, axes)
        if cut == 0:
            scope.remember(expr, self._unrolled(scope, expr, axes, used))
            return
        outer, rest = axes[:cut], axes[cut:]
        scope.hoist([expr.args[0]], axes)
        shape = self.shape(used)
        exprs = self._together(scope, expr)
        totals = [self._start(scope, e, shape) for e in exprs]
        with ExitStack() as loops:
            inner = scope
            for a in outer:
                counter, steps = scope.code.text.numbered("k"), f"range(0, {scope.code.text.number(a.extent)})"
                loops.enter_context(scope.code.text.loop(counter, steps))
                inner = inner.inside({a: placed(counter)})
            values = [self._unrolled(inner, e, rest, used) for e in exprs]
            _combine(inner, exprs, totals, [_kept(inner, e, value, "", shape) for e, value in zip(exprs, values)])
        for e, total in zip(exprs, totals):
            scope.remember(e, Value(total, arithmetic.register_kind(e.dtype), used))

    def _unrolled(self, scope: Emitter, expr: Expr, axes: Sequence[Axis], used: frozenset[int]) -> Value:
        """Straight-line code. Loads that two steps share are done once; several steps' loads are in flight at once."""
        total: Value | None = None
        steps = list(indexes(*(range(known(a.extent)) for a in axes)))
        for start in range(0, len(steps), AHEAD):
            bodies = [numbered(expr.args[0], dict(zip(axes, at)), scope.slots) for at in steps[start : start + AHEAD]]
            for body in bodies:
                ask(scope, body)
            for body in bodies:
                value = scope.code.named(scope.value(body))
                if total is None:
                    total = value
                    continue
                text = scope.code.let(
                    arithmetic.combine(scope.code.text, expr.attr[0], expr.dtype, total.text, value.text)
                )
                total = Value(text, arithmetic.register_kind(expr.dtype), total.dims | value.dims)
        assert total is not None
        return total


def ask(scope: Emitter, root: Expr) -> None:
    """Load now the data that `root` will read, except loads under a `where`, in a reduction or at loaded indexes."""
    if root.op == "load":
        if not any(scope.facts.loads(a) for a in root.args):
            scope.value(root)
    elif root.op not in ("where", "reduce"):
        for a in root.args:
            ask(scope, a)


def numbered(body: Expr, at: dict[Axis, int], slots: Sequence[Slot]) -> Expr:
    """The body at given steps, simplified, with linear indexes in one form: equal loads become one expression."""
    placed = substitute_axes(body, {a: const(n, DType.I64) for a, n in at.items()})
    placed = simplify(Loops(tuple(slots), (), (Store(0, (), placed),))).stores[0].value
    return substitute(
        placed, lambda e: canonical(e) if e.dtype is DType.I64 and e.op in ("add", "sub", "mul") else None
    )


def canonical(index: Expr) -> Expr | None:
    """A linear index: its axes in the order of their names, then the constant."""
    form = linear(index)
    if form is None:
        return None
    total = const(0, DType.I64)
    for a, c in sorted(form.coefficients.items(), key=lambda item: item[0].name):
        total = total + axis(a) * dim(c)
    return total + dim(form.constant)


def _combine(scope: Emitter, exprs: Sequence[Expr], totals: Sequence[Variable], values: Sequence[str]) -> None:
    """Add one more value to each total."""
    for e, total, value in zip(exprs, totals, values):
        scope.code.text.assign(total, arithmetic.combine(scope.code.text, e.attr[0], e.dtype, total, value))


def _kept(scope: Emitter, expr: Expr, value: Value, mask: str, shape: Shape) -> str:
    """A chunk's values, in full shape; the neutral value in lanes that do not exist."""
    kind = arithmetic.register_kind(expr.dtype)
    value = scope.code.named(scope.code.converted(value, kind))
    full = scope.code.let(f"tl.broadcast_to({value.text}, {shape})") if _is_thin(value, shape) else value.text
    if not mask:
        return full
    zero = arithmetic.typed(neutral(expr.attr[0], expr.dtype), kind)
    return scope.code.let(f"tl.where({mask}, {full}, {zero})")


def _is_thin(value: Value, shape: Shape) -> bool:
    """Does the value lack a dimension that the shape has?"""
    return (shape.rows > 1 and 0 not in value.dims) or (shape.columns > 1 and 1 not in value.dims) or not value.dims


def _along(scope: Emitter, expr: Expr, tile: str, along: int, used: frozenset[int]) -> Value:
    """One reduction of a tile along a dimension."""
    kind = arithmetic.register_kind(expr.dtype)
    text = arithmetic.reduce_tile(scope.code.text, expr.attr[0], expr.dtype, tile, along)
    if expr.dtype.is_integer:
        text = f"{text}.to(tl.{kind})"
    return Value(scope.code.let(text), kind, used)


def _unrolled_from(expr: Expr, axes: Sequence[Axis]) -> int:
    """The first axis from which on all steps together are few enough for straight-line code."""
    count, cut = max(1, count_nodes(expr.args[0])), len(axes)
    while cut > 0:
        extent = axes[cut - 1].extent
        if not isinstance(extent, int) or extent == 0 or count * extent > UNROLL_LIMIT:
            break
        count, cut = count * extent, cut - 1
    return cut


def _has_reduction(root: Expr) -> bool:
    return any(e.op == "reduce" for e in walk(root))


def _height(root: Expr) -> int:
    return (root.op == "reduce") + max((_height(a) for a in root.args), default=0)
