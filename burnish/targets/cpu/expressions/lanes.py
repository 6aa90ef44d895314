"""Expressions as LLVM IR: the CPU's instructions for `kernels.scope`, and its values as scalars or lanes.

Registers: f32 for f32, f16 and bf16 (rounded at stores and casts), f64, integers of their own width, i1 for bool. At
most one axis of a scope is *vectorised*: what depends on it is a vector; everything else is a scalar, splatted where it
meets vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.kernels.facts import Range
from burnish.kernels.scope import Scope, Term
from burnish.kernels.slot import Slot
from burnish.ops.language.expr import Axis, Expr
from burnish.targets.cpu.builder import I1, KernelBuilder, type_suffix, vector_type
from burnish.targets.cpu.expressions import arithmetic, memory, storage


@dataclass(frozen=True, slots=True)
class Lanes:
    """A scalar or a vector. A bound axis or an offset is lane 0's value and the step from each lane to the next."""

    value: ir.Value
    step: Dim = 0


@dataclass(frozen=True)
class LaneInstructions:
    """Emits code at one place.

    width    lanes of a vector; 1: everything is a scalar
    mask     lanes that exist, for a vector's tail; None: all
    reducer  computes a `reduce` node; without a reducer, the value of every `reduce` node must be remembered already
    """

    builder: KernelBuilder
    pointers: tuple[ir.Value, ...]
    width: int = 1
    mask: ir.Value | None = None
    reducer: Callable[[Values, Expr], Lanes] | None = None
    sums_indexes: ClassVar[bool] = True

    def together(self, values: Sequence[ir.Value]) -> list[ir.Value]:
        """If one of the values is a vector, all of them as vectors."""
        if any(isinstance(v.type, ir.VectorType) for v in values):
            return [self.builder.splat(v, self.width) for v in values]
        return list(values)

    # -- values -------------------------------------------------------------------------------------------------------

    def const(self, value: float | int | bool, dtype: DType) -> Lanes:
        return Lanes(ir.Constant(storage.register_type(dtype), value))

    def dim(self, value: Dim) -> Lanes:
        return Lanes(self.builder.dim(value))

    def index(self, place: Lanes) -> Lanes:
        if place.step == 0:
            return place
        b = self.builder
        lanes = b.iota(self.width)
        if place.step != 1:
            lanes = b.ir.mul(lanes, b.splat(b.dim(place.step), self.width))
        return Lanes(b.ir.add(b.splat(place.value, self.width), lanes))

    def unary(self, op: str, dtype: DType, x: Lanes) -> Lanes:
        return Lanes(arithmetic.unary(self.builder, op, dtype, x.value))

    def binary(self, op: str, dtype: DType, x: Lanes, y: Lanes, ranges: Sequence[Range]) -> Lanes:
        return Lanes(arithmetic.binary(self.builder, op, dtype, *self.together([x.value, y.value])))

    def cast(self, source: DType, target: DType, x: Lanes) -> Lanes:
        return Lanes(arithmetic.cast(self.builder, source, target, x.value))

    def select(self, dtype: DType, test: Lanes, x: Lanes, y: Lanes) -> Lanes:
        sides = [x.value, y.value]
        if not isinstance(test.value.type, ir.VectorType):
            return Lanes(self.builder.ir.select(test.value, *self.together(sides)))
        return Lanes(self.builder.ir.select(*self.together([test.value, *sides])))

    def negated(self, test: Lanes) -> Lanes:
        return Lanes(self.builder.ir.not_(test.value))

    def both(self, x: Lanes, y: Lanes) -> Lanes:
        return Lanes(self.builder.ir.and_(*self.together([x.value, y.value])))

    def reduce(self, scope: Values, expr: Expr) -> Lanes:
        if self.reducer is None:
            raise InternalError("E901", "a reduction inside an epilogue has no CPU code")
        return self.reducer(scope, expr)

    # -- memory -------------------------------------------------------------------------------------------------------

    def is_scattered(self, places: Sequence[Lanes]) -> bool:
        return any(place.step != 0 for place in places)

    def offset(
        self, constant: Dim, axes: Sequence[Term[Lanes]], atoms: Iterable[Term[Lanes]], is_scattered: bool
    ) -> Lanes:
        """The address of lane 0 and a step if lanes are neighbours or equal, else the address of every lane."""
        b = self.builder
        found = self._linear(constant, axes)
        if is_scattered or found.step not in (0, 1):
            found = self.index(found)
        for atom in atoms:
            part = atom.value.value
            if atom.factor != 1:
                part = b.ir.mul(*self.together([part, b.dim(atom.factor)]))
            found = Lanes(b.ir.add(*self.together([found.value, part])), found.step)
        return found

    def _linear(self, constant: Dim, axes: Sequence[Term[Lanes]]) -> Lanes:
        b = self.builder
        total: ir.Value | None = None
        step: Dim = 0
        for axis in axes:
            value, step = axis.value.value, step + axis.value.step * axis.factor
            if isinstance(value, ir.Constant):
                constant = constant + axis.factor * int(value.constant)
                continue
            if axis.factor != 1:
                value = b.ir.mul(value, b.dim(axis.factor), flags=("nsw",))
            total = value if total is None else b.ir.add(total, value, flags=("nsw",))
        if total is None or constant != 0:
            total = b.dim(constant) if total is None else b.ir.add(total, b.dim(constant), flags=("nsw",))
        return Lanes(total, step)

    def clamped(self, offset: Lanes, last: Dim) -> Lanes:
        return replace(offset, value=memory.clamped(self.builder, offset.value, last))

    def load(self, number: int, slot: Slot, offset: Lanes, places: Sequence[Lanes], guard: Lanes | None) -> Lanes:
        b, element, pointer = self.builder, storage.storage_type(slot.dtype), self.pointers[number]
        mask, condition = self.mask, None if guard is None else guard.value
        if isinstance(offset.value.type, ir.VectorType):
            if condition is None and memory.is_table(b, slot, self.width):
                raw = memory.looked_up(b, pointer, offset.value, slot.aligned)
                return Lanes(storage.to_register(b, slot.dtype, raw))
            if condition is not None:
                condition = b.splat(condition, self.width)
                mask = condition if mask is None else b.ir.and_(mask, condition)
            return Lanes(storage.to_register(b, slot.dtype, memory.gather(b, pointer, offset.value, element, mask)))
        place = b.address(pointer, offset.value, element)
        lanes, mask = (self.width, mask) if offset.step == 1 else (1, None)
        if condition is not None:
            place, mask = memory.guarded(b, place, mask, condition, lanes)
        kind, align = vector_type(element, lanes), slot.dtype.size_bytes
        raw = b.load(place, kind, align) if mask is None else memory.masked_load(b, place, kind, mask, align)
        return Lanes(storage.to_register(b, slot.dtype, raw))

    def stored(self, dtype: DType, value: Lanes) -> Lanes:
        return Lanes(storage.to_storage(self.builder, dtype, value.value))

    def store(self, number: int, slot: Slot, offset: Lanes, places: Sequence[Lanes], value: Lanes) -> None:
        b, element, pointer = self.builder, storage.storage_type(slot.dtype), self.pointers[number]
        if isinstance(offset.value.type, ir.VectorType):
            memory.scatter(b, pointer, offset.value, element, b.splat(value.value, self.width), self.mask)
            return
        place = b.address(pointer, offset.value, element)
        raw = value.value if offset.step == 0 else b.splat(value.value, self.width)
        if offset.step == 0 or self.mask is None:
            b.ir.store(raw, place, align=slot.dtype.size_bytes)
        else:
            memory.masked_store(b, raw, place, self.mask, slot.dtype.size_bytes)


Values = Scope[Lanes, LaneInstructions]


def bound(axes: Mapping[Axis, ir.Value], vector: Axis | None = None, width: int = 1) -> dict[Axis, Lanes]:
    """Axes at i64 values; for the vectorised axis, the value of lane 0."""
    return {a: Lanes(value, 1 if a == vector and width > 1 else 0) for a, value in axes.items()}


def inside(
    scope: Values,
    axes: Mapping[Axis, ir.Value],
    *,
    vector: Axis | None = None,
    width: int = 1,
    mask: ir.Value | None = None,
) -> Values:
    """A deeper scope with more axes bound. Its vector axis is the given one, or else that of the outer scope."""
    if vector is None:
        return scope.inside(bound(axes))
    code = replace(scope.code, width=width, mask=mask if width > 1 else None)
    return scope.inside(bound(axes, vector, width), code)


def scalar(scope: Values) -> Values:
    """The same place without the vector axis, for values that do not depend on it.

    Its guard holds if that of any lane does: such a lane may read what all lanes share.
    """
    code, guard = scope.code, scope.guard
    if guard is not None and isinstance(guard.value.type, ir.VectorType):
        b, lanes = code.builder, guard.value
        lanes = lanes if code.mask is None else b.ir.and_(lanes, code.mask)
        guard = Lanes(b.call(f"llvm.vector.reduce.or.{type_suffix(lanes.type)}", I1, [lanes]))
    vector = [a for a, place in scope.axes.items() if place.step != 0]
    return scope.without(vector, replace(code, width=1, mask=None), guard)
