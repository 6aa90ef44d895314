"""Expressions as Triton text: `Emitter` writes `burnish.ops.language.expr` nodes as lines of a kernel, each node once.

An Emitter is a scope: axes bound to `Place`s (blocks that broadcast against each other, or scalars). `inside` opens a
deeper scope (a loop's body) that shares what is known here. Floats are held in f32 (f64 for f64): f16 and bf16 are
widened where they are loaded, and rounded where they are stored, nowhere between. Index arithmetic is done in i32 where
no value can leave it.

Loads are masked by the tails of the axes that they depend on. A load under a `where` that might leave its slot, or
whose clamped index would not be contiguous, happens only where the condition holds; an index that comes from data is
clamped into its slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.kernels.facts import Facts, conjuncts
from burnish.kernels.task import Store
from burnish.ops.language.expr import UNARY, Axis, Expr
from burnish.targets.cuda.expressions import arithmetic, integers, memory
from burnish.targets.cuda.expressions.arithmetic import literal, register_kind
from burnish.targets.cuda.expressions.values import Place, Value, size_value
from burnish.targets.cuda.text import INT32, KernelText, Name

__all__ = ["Emitter", "Place", "Reducer", "Value"]

Reducer = Callable[["Emitter", Expr], Value]


class Emitter:
    """A scope; see the module.

    text          where lines go, in the block that is open there; axes: each axis that is bound here
    accumulators  the values of acc(0), acc(1) ...
    mask          a further condition on every load and store (tails that no axis has)
    reducer       computes a `reduce` node; without it there must be none that is not remembered
    zero          a block of one zero, added to the address of a store that no axis moves; "" where there is none
    """

    def __init__(
        self,
        text: KernelText,
        axes: Mapping[Axis, Place],
        *,
        accumulators: Sequence[Value] = (),
        mask: Value | None = None,
        reducer: Reducer | None = None,
        zero: str = "",
    ) -> None:
        self.text, self.slots, self.depth = text, text.slots, text.depth
        self.axes: dict[Axis, Place] = dict(axes)
        self.accumulators, self.mask, self.reducer, self.zero = tuple(accumulators), mask, reducer, zero
        self.facts = Facts(text.slots)
        self.guard: Value | None = None
        self.assumed: frozenset[Expr] = frozenset()
        self._parent: Emitter | None = None
        self._known: dict[Expr, Value] = {}

    def inside(self, axes: Mapping[Axis, Place], *, mask: Value | None = None) -> Emitter:
        """A deeper scope with more axes bound (or bound anew: then it knows nothing of values that depend on them)."""
        child = Emitter(
            self.text, {**self.axes, **axes}, accumulators=self.accumulators,
            mask=self.mask if mask is None else mask, reducer=self.reducer, zero=self.zero,
        )  # fmt: skip
        child.guard, child.assumed, child.facts, child._parent = self.guard, self.assumed, self.facts, self
        return child

    # -- what templates call --------------------------------------------------------------------------------------

    def value(self, expr: Expr) -> str:
        """A name (or a literal) for the expression's value here; lines are added as needed."""
        return self.typed_value(expr).text

    def typed_value(self, expr: Expr) -> Value:
        """As `value`, with its type and the dimensions it varies along."""
        found = self.find(expr)
        if found is None:
            around = self._around_guard()
            if around is not None and not self.facts.loads(expr) and not _has_reduction(expr):
                return around.typed_value(expr)
            found = self._emit(expr)
            self.remember(expr, found)
        return found

    def store(self, slot: int, index: Sequence[Expr], value: Expr) -> None:
        """slots[slot][index] = value, rounded to the slot's dtype."""
        self.store_value(slot, index, self.typed_value(value))

    def store_value(self, slot: int, index: Sequence[Expr], value: Value) -> None:
        """Store what is already computed."""
        memory.store(self, slot, index, value)

    def stores(self, stores: Iterable[Store]) -> None:
        """Every value first, then every store: a store may overwrite what another value reads."""
        stores = list(stores)
        for s in stores:
            self.value(s.value)
        for s in stores:
            self.store(s.slot, s.index, s.value)

    def find(self, expr: Expr) -> Value | None:
        """The value, if this scope or one around it has it."""
        scope: Emitter | None = self
        free: frozenset[Axis] | None = None
        while scope is not None:
            if (found := scope._known.get(expr)) is not None:
                return found
            if scope._parent is not None and scope._parent.axes != scope.axes:
                free = self.facts.free(expr) if free is None else free
                if any(scope.axes[a] != scope._parent.axes.get(a) for a in free if a in scope.axes):
                    return None
            scope = scope._parent
        return None

    def remember(self, expr: Expr, value: Value) -> None:
        """From now on, the expression has this value in this scope."""
        self._known[expr] = value

    def line(self, text: str) -> None:
        """Write a line here."""
        self.text.line(text)

    def let(self, text: str, stem: str = "v") -> Name:
        """Give a value a name."""
        name = self.text.numbered(stem)
        self.line(f"{name} = {text}")
        return name

    # -- emission -------------------------------------------------------------------------------------------------

    def _emit(self, expr: Expr) -> Value:
        if expr.op == "const":
            kind = _constant_kind(expr)
            return Value(literal(expr.attr, kind), kind, constant=True)
        if expr.op == "axis":
            place: Place = self.axes[expr.attr]
            return place.value
        if expr.op == "dim":
            return self.size(expr.attr)
        if expr.op == "acc":
            number: int = expr.attr
            return self.accumulators[number]
        if expr.op == "load":
            return memory.load(self, expr)
        if expr.op == "reduce":
            if self.reducer is None:
                raise InternalError("E901", "a reduction inside an epilogue has no CUDA code")
            return self.reducer(self, expr)
        if expr.op == "where":
            return self._where(expr)
        return self._pointwise(expr)

    def _pointwise(self, expr: Expr) -> Value:
        arguments = [self.typed_value(a) for a in expr.args]
        dims: frozenset[int] = frozenset().union(*(v.dims for v in arguments))
        dtype, op = expr.args[0].dtype, expr.op
        if op == "cast":
            return self._cast(expr, arguments[0])
        if all(a.op == "const" for a in expr.args):
            arguments[0] = self.named(arguments[0])
        if op in UNARY:
            argument = self.named(
                self.converted(arguments[0], register_kind(dtype)) if dtype is DType.I64 else arguments[0]
            )
            kind = "int1" if expr.dtype is DType.BOOL else argument.kind
            if op in ("floor", "ceil", "round", "trunc") and dtype.is_float and expr.args[0].op == "div":
                argument = self._exact_quotient(expr.args[0])
            return Value(self.let(arithmetic.unary(self.text, op, dtype, argument.text)), kind, dims)
        kind = self._common_kind(expr, arguments)
        x, y = (self.converted(v, kind).text for v in arguments)
        if dtype.is_integer and op in ("div", "floordiv", "mod", "fmod", "shl", "shr", "pow"):
            known = int(expr.args[1].attr) if expr.args[1].op == "const" else None
            positive = all(self.facts.range(a)[0] >= 0 for a in expr.args) or not dtype.is_signed
            text = integers.binary(self.text, self.let, op, kind, x, y, known=known, positive=positive)
        elif dtype.is_float and op in ("pow", "mod", "fmod"):
            text = self._float_special(expr, *(self.named(v).text for v in arguments))
        elif op in ("max", "min") and not dtype.is_float and dtype is not DType.BOOL:
            first, second = (self.named(self.converted(v, kind)).text for v in arguments)
            text = arithmetic.binary(self.text, op, dtype, first, second)
        else:
            text = arithmetic.binary(self.text, op, dtype, x, y)
        result = Value(self.let(text), "int1" if expr.dtype is DType.BOOL else kind, dims)
        return self.converted(result, "int32") if self._narrows(expr, kind) else result

    def _float_special(self, expr: Expr, x: str, y: str) -> str:
        if expr.op == "pow" and expr.args[1].op == "const":
            known = arithmetic.constant_power(x, expr.args[1].attr, expr.dtype)
            if known is not None:
                return known
        if expr.op != "mod":
            return arithmetic.binary(self.text, expr.op, expr.dtype, x, y)
        rest = self.let(f"libdevice.fmod({x}, {y})")
        return f"tl.where(({rest} != 0) & (({rest} < 0) != ({y} < 0)), {rest} + {y}, {rest})"

    def _cast(self, expr: Expr, value: Value) -> Value:
        source, target = expr.args[0].dtype, expr.dtype
        if target.is_integer and source.is_float and expr.args[0].op == "div":
            value = self._exact_quotient(expr.args[0])
        kind = register_kind(target)
        if value.kind == kind:
            return value
        return Value(self.let(arithmetic.cast(kind, self.named(value).text)), kind, value.dims)

    def _exact_quotient(self, expr: Expr) -> Value:
        """A quotient that is then rounded to an integer: correctly rounded itself."""
        x, y = (self.named(self.typed_value(a)) for a in expr.args)
        text = arithmetic.binary(self.text, "div", expr.dtype, x.text, y.text, exact=True)
        return Value(self.let(text), x.kind, x.dims | y.dims)

    def _common_kind(self, expr: Expr, arguments: Sequence[Value]) -> str:
        """The type that an operation is done in."""
        if expr.args[0].dtype is not DType.I64:
            return register_kind(expr.args[0].dtype)
        if any(v.kind == "int64" for v in arguments):
            return "int64"
        if expr.op in ("add", "sub", "mul", "neg", "shl", "pow"):
            return _range_kind(self.facts.range(expr))
        return "int32"

    def _narrows(self, expr: Expr, kind: str) -> bool:
        """Was it done in i64, but never leaves i32?"""
        return expr.dtype is DType.I64 and kind == "int64" and _range_kind(self.facts.range(expr)) == "int32"

    def _where(self, expr: Expr) -> Value:
        condition, then, otherwise = expr.args
        test = self.named(self.typed_value(condition))
        sides = []
        for side, negate in ((then, False), (otherwise, True)):
            if self._needs_guard(side):
                scope = self._guarded(Value(f"(~{test.text})", "int1", test.dims) if negate else test)
                scope.assumed |= frozenset() if negate else conjuncts(condition)
                sides.append(scope.typed_value(side))
            else:
                sides.append(self.typed_value(side))
        kind = sides[0].kind
        if expr.dtype is DType.I64:
            kind = "int64" if any(v.kind == "int64" for v in sides) else "int32"
        x, y = (self.named(self.converted(v, kind)).text for v in sides)
        dims = test.dims.union(*(v.dims for v in sides))
        return Value(self.let(f"tl.where({test.text}, {x}, {y})"), kind, dims)

    def _needs_guard(self, side: Expr) -> bool:
        """Might a load leave its slot, or would it be contiguous if it need not care, or is there one at all?"""
        return bool(self.facts.loads(side)) and (
            self.facts.unsafe(side) or any(self.facts.address(e.attr, e.args).atoms for e in self.facts.loads(side))
        )

    def _guarded(self, condition: Value) -> Emitter:
        child = self.inside({})
        child.guard = condition if self.guard is None else self.both(self.guard, condition)
        return child

    def both(self, x: Value, y: Value) -> Value:
        return Value(self.let(f"{x.text} & {y.text}", "m"), "int1", x.dims | y.dims)

    def _around_guard(self) -> Emitter | None:
        """The scope at the same place in the code whose loads need no guard, or a weaker one."""
        parent = self._parent
        same = parent is not None and parent.axes == self.axes and parent.guard is not self.guard
        return parent if same and parent is not None and parent.depth == self.depth else None

    def size(self, dim: Dim) -> Value:
        """A dimension."""
        return size_value(self.text, dim)

    # -- small things ---------------------------------------------------------------------------------------------

    def named(self, value: Value) -> Value:
        """As a Triton value with a name: literals become typed scalars, terms get a name."""
        if value.text.isidentifier() and not value.constant:
            return value
        if value.constant:
            return Value(f"tl.full([], {value.text}, tl.{value.kind})", value.kind)
        return Value(self.let(value.text), value.kind, value.dims)

    def converted(self, value: Value, kind: str) -> Value:
        """In another integer width."""
        if value.kind == kind:
            return value
        if value.constant:
            return Value(value.text, kind, constant=True)
        return Value(self.let(f"({value.text}).to(tl.{kind})"), kind, value.dims)


def _constant_kind(expr: Expr) -> str:
    if expr.dtype is DType.I64:
        return "int32" if abs(int(expr.attr)) < INT32 else "int64"
    return register_kind(expr.dtype)


def _range_kind(reach: tuple[int, int]) -> str:
    return "int32" if reach[0] >= -INT32 and reach[1] < INT32 else "int64"


def _has_reduction(expr: Expr) -> bool:
    return expr.op == "reduce" or any(_has_reduction(a) for a in expr.args)
