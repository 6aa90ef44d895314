"""Expressions as Triton text: the GPU's instructions for `kernels.scope`.

Axes are blocks that broadcast against each other, or scalars. Floats are held in f32 (f64 for f64): f16 and bf16 are
widened where they are loaded, and rounded where they are stored, nowhere between. Index arithmetic is done in i32 where
no value can leave it. Loads are masked by the tails of the axes that they depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.kernels.facts import Range
from burnish.kernels.scope import Scope, Term
from burnish.kernels.slot import Slot
from burnish.ops.language.expr import COMPARE, Axis, Expr
from burnish.targets.cuda.expressions import arithmetic, integers, memory, packed_bytes, values
from burnish.targets.cuda.expressions.arithmetic import literal, register_kind
from burnish.targets.cuda.expressions.as_written import DECIDES, as_written, with_origin
from burnish.targets.cuda.expressions.values import Value, placed, size_value
from burnish.targets.cuda.text import INT32, KernelText, Name

__all__ = ["BlockInstructions", "Emitter", "Value", "emitter_at", "placed"]


@dataclass(frozen=True)
class BlockInstructions:
    """Lines of a kernel, in the block that is open there.

    mask     a further condition on every load and store (tails that no axis has)
    reducer  computes a `reduce` node; without a reducer, the value of every `reduce` node must be remembered already
    zero     a block of one zero, added to the address of a store that no axis moves; "" where there is none
    """

    text: KernelText
    mask: Value | None = None
    reducer: Callable[[Emitter, Expr], Value] | None = None
    zero: str = ""
    sums_indexes: ClassVar[bool] = False

    def let(self, term: str, stem: str = "v") -> Name:
        """Give a value a name."""
        return values.let(self.text, term, stem)

    def named(self, value: Value) -> Value:
        """As a Triton value with a name: literals become typed scalars, terms get a name."""
        return values.named(self.text, value)

    def converted(self, value: Value, kind: str) -> Value:
        """In another integer width."""
        return values.converted(self.text, value, kind)

    # -- values -------------------------------------------------------------------------------------------------------

    def const(self, value: float | int | bool, dtype: DType) -> Value:
        kind = register_kind(dtype)
        if dtype is DType.I64 and abs(int(value)) < INT32:
            kind = "int32"
        return Value(literal(value, kind), kind, constant=True, number=value)

    def dim(self, value: Dim) -> Value:
        return size_value(self.text, value)

    def index(self, place: Value) -> Value:
        return replace(place, mask="")

    def unary(self, op: str, dtype: DType, x: Value) -> Value:
        x = as_written(self.text, x) if op in DECIDES else x
        argument = x if x.number is None else self.named(x)
        argument = self.named(self.converted(argument, register_kind(dtype)) if dtype is DType.I64 else argument)
        kind = "int1" if op in ("isnan", "isinf", "not") else argument.kind
        found = Value(self.let(arithmetic.unary(self.text, op, dtype, argument.text)), kind, x.dims)
        return with_origin(found, op, dtype, x)

    def binary(self, op: str, dtype: DType, x: Value, y: Value, ranges: Sequence[Range]) -> Value:
        if op in DECIDES:
            x, y = as_written(self.text, x), as_written(self.text, y)
        first = x if x.number is None or y.number is None else self.named(x)
        kind = _common_kind(op, dtype, (first, y), ranges)
        left, right = (self.converted(v, kind).text for v in (first, y))
        if dtype.is_integer and op in ("div", "floordiv", "mod", "fmod", "shl", "shr", "pow"):
            known = None if y.number is None else int(y.number)
            positive = all(low >= 0 for low, _ in ranges[1:]) or not dtype.is_signed
            found = integers.binary(self.text, self.let, op, kind, left, right, known=known, positive=positive)
        elif dtype.is_float and op in ("pow", "mod", "fmod"):
            found = self._float_special(op, dtype, self.named(first).text, self.named(y).text, y.number)
        elif op in ("max", "min") and not dtype.is_float and dtype is not DType.BOOL:
            left, right = (self.named(self.converted(v, kind)).text for v in (first, y))
            found = arithmetic.binary(self.text, op, dtype, left, right)
        elif op == "quotient":
            left, right = self.named(first).text, self.named(y).text
            found = arithmetic.binary(self.text, op, dtype, left, right)
        else:  # a quotient that all elements share is rounded correctly at no cost: a scale decides every code
            found = arithmetic.binary(self.text, op, dtype, left, right, exact=op == "div" and not x.dims | y.dims)
        code = (x.code[0], y) if op == "sub" and x.code is not None and x.code[1] is None and not y.dims else None
        result = Value(self.let(found), "int1" if op in COMPARE else kind, x.dims | y.dims, code=code)
        if dtype is DType.I64 and result.kind == "int64" and _range_kind(ranges[0]) == "int32":
            return self.converted(result, "int32")  # done in i64, but it never leaves i32
        return with_origin(result, op, dtype, x, y)

    def _float_special(self, op: str, dtype: DType, x: str, y: str, known: float | None) -> str:
        """known: y's value, if it is a constant"""
        if op == "pow" and known is not None and (power := arithmetic.constant_power(x, known, dtype)) is not None:
            return power
        if op != "mod":
            return arithmetic.binary(self.text, op, dtype, x, y)
        rest = self.let(f"libdevice.fmod({x}, {y})")
        return f"tl.where(({rest} != 0) & (({rest} < 0) != ({y} < 0)), {rest} + {y}, {rest})"

    def cast(self, source: DType, target: DType, x: Value) -> Value:
        x = as_written(self.text, x) if target.is_integer else x
        kind = register_kind(target)
        if x.kind == kind:
            return replace(x, number=None)
        if target is DType.F32 and x.code is not None:
            return Value(self.let(self._float_of_code(*x.code)), kind, x.dims)
        is_code = target is DType.I32 and x.kind in ("uint8", "int8") and not x.constant and bool(x.dims)
        code = (x, None) if is_code else None
        return Value(self.let(arithmetic.cast(kind, self.named(x).text)), kind, x.dims, code=code)

    def _float_of_code(self, code: Value, zero: Value | None) -> str:
        taken = 0 if zero is None else zero.text if zero.number is None else int(zero.number)
        return packed_bytes.number_of(self.text, code.text, code.kind, taken)

    def select(self, dtype: DType, test: Value, x: Value, y: Value) -> Value:
        kind, test = x.kind, self.named(test)
        if dtype is DType.I64:
            kind = "int64" if "int64" in (x.kind, y.kind) else "int32"
        left, right = (self.named(self.converted(v, kind)).text for v in (x, y))
        found = Value(self.let(f"tl.where({test.text}, {left}, {right})"), kind, test.dims | x.dims | y.dims)
        return with_origin(found, "where", dtype, test, x, y)

    def negated(self, test: Value) -> Value:
        return Value(f"(~{self.named(test).text})", "int1", test.dims)

    def both(self, x: Value, y: Value) -> Value:
        return values.both(self.text, x, y)

    def reduce(self, scope: Emitter, expr: Expr) -> Value:
        if self.reducer is None:
            raise InternalError("E901", "a reduction inside an epilogue has no CUDA code")
        return self.reducer(scope, expr)

    # -- memory -------------------------------------------------------------------------------------------------------

    def is_scattered(self, places: Sequence[Value]) -> bool:
        return True  # Triton sees neighbours only through sums of axes

    def offset(
        self, constant: Dim, axes: Sequence[Term[Value]], atoms: Iterable[Term[Value]], is_scattered: bool
    ) -> Value:
        return memory.offset_of(self.text, constant, axes, atoms)

    def clamped(self, offset: Value, last: Dim) -> Value:
        return memory.clamped(self.text, offset, last)

    def load(self, number: int, slot: Slot, offset: Value, places: Sequence[Value], guard: Value | None) -> Value:
        return memory.load(self.text, number, slot, offset, memory.mask_of(self.mask, places), guard)

    def stored(self, dtype: DType, value: Value) -> Value:
        return memory.stored(self.text, dtype, value)

    def store(self, number: int, slot: Slot, offset: Value, places: Sequence[Value], value: Value) -> None:
        if not offset.dims and self.zero:
            offset = Value(f"{offset.text} + {self.zero}", offset.kind)
        memory.store(self.text, number, offset, memory.mask_of(self.mask, places), value)


Emitter = Scope[Value, BlockInstructions]


def emitter_at(
    text: KernelText,
    axes: Mapping[Axis, Value],
    *,
    accumulators: Sequence[Value] = (),
    mask: Value | None = None,
    reducer: Callable[[Emitter, Expr], Value] | None = None,
    zero: str = "",
) -> Emitter:
    """A scope where the text goes on. mask, reducer, zero: as `BlockInstructions` says"""
    return Emitter(BlockInstructions(text, mask, reducer, zero), text.slots, axes, accumulators=accumulators)


def _common_kind(op: str, dtype: DType, sides: Sequence[Value], ranges: Sequence[Range]) -> str:
    """The type in which an operation is done."""
    if dtype is not DType.I64:
        return register_kind(dtype)
    if any(v.kind == "int64" for v in sides):
        return "int64"
    return _range_kind(ranges[0]) if op in ("add", "sub", "mul", "shl", "pow") else "int32"


def _range_kind(reach: Range) -> str:
    return "int32" if reach[0] >= -INT32 and reach[1] < INT32 else "int64"
