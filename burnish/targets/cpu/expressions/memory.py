"""Loads and stores of `Values`: contiguous, repeated, gathered; masked tails; guarded against leaving the slot.

    step of the flat offset from lane to lane     load                      store
    0, index the same in all lanes                scalar, splatted later    -
    1                                             (masked) vector           (masked) vector
    anything else                                 (masked) gather           (masked) scatter

An index that comes from data is clamped into its axis, so that no input can make a kernel read foreign memory.
A guarded load (under a `where`) reads 64 lanes of zeros instead of an address that the condition forbids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llvmlite import ir

from burnish.dims import Dim
from burnish.kernels.facts import Address, unclamped
from burnish.kernels.task import Slot
from burnish.ops.language.expr import Expr, Linear
from burnish.targets.cpu.builder import I1, I8, I32, I64, POINTER, KernelBuilder, lanes_of, type_suffix, vector_type
from burnish.targets.cpu.expressions import storage

if TYPE_CHECKING:
    from burnish.targets.cpu.expressions.values import Values

_ZERO_BYTES = 512


def load(values: Values, expr: Expr) -> ir.Value:
    """The value of a load, in register form."""
    b, slot = values.builder, values.slots[expr.attr]
    address = values.facts.address(expr.attr, expr.args)
    guard = None if values.guard is None or values.facts.is_inside(expr) else values.guard
    if values.guard is not None and values.vector is not None:
        address, changed = _unclamped(values, address)
        guard = values.guard if changed else guard
    element = storage.storage_type(slot.dtype)
    step, gathered = _steps(values, address)
    offset = _offset(values, address, gathered, expr)
    pointer = values.pointers[expr.attr]
    if gathered or step not in (0, 1):
        raw = _gather(values, pointer, offset, element, guard)
        return storage.to_register(b, slot.dtype, raw)
    place = b.address(pointer, offset, element)
    lanes = values.width if step == 1 else 1
    mask = values.mask if step == 1 else None
    if guard is not None:
        place, mask = _guarded(values, place, mask, guard, lanes)
    if mask is not None:
        raw = masked_load(b, place, vector_type(element, lanes), mask, slot.dtype.size_bytes)
    else:
        raw = b.load(place, vector_type(element, lanes), slot.dtype.size_bytes)
    return storage.to_register(b, slot.dtype, raw)


def _guarded(
    values: Values, place: ir.Value, mask: ir.Value | None, guard: ir.Value, lanes: int
) -> tuple[ir.Value, ir.Value | None]:
    """A place and a mask that read nothing where the guard does not hold."""
    b = values.builder
    if not isinstance(guard.type, ir.VectorType):
        return b.ir.select(guard, place, _zeros(b)), mask
    if lanes > 1:
        return place, guard if mask is None else b.ir.and_(mask, guard)
    some = b.call(f"llvm.vector.reduce.or.{type_suffix(guard.type)}", I1, [guard])
    return b.ir.select(some, place, _zeros(b)), mask


def _unclamped(values: Values, address: Address) -> tuple[Address, bool]:
    """Clamped indexes that the guard makes superfluous, as what they clamp: contiguous loads again."""
    form, atoms = address.form, []
    for atom, stride in address.atoms:
        found = unclamped(atom, values.assumed) if values.varies(atom) else None
        if found is None:
            atoms.append((atom, stride))
            continue
        total = dict(form.coefficients)
        for a, c in found.coefficients.items():
            total[a] = total.get(a, 0) + c * stride
        form = Linear({a: c for a, c in total.items() if c != 0}, form.constant + found.constant * stride)
    return Address(form, tuple(atoms)), len(atoms) < len(address.atoms)


def store(values: Values, number: int, index: Sequence[Expr], value: ir.Value) -> None:
    """Write a register value to a slot at an index."""
    b, slot = values.builder, values.slots[number]
    address = values.facts.address(number, tuple(index))
    raw = storage.to_storage(b, slot.dtype, value)
    element = storage.storage_type(slot.dtype)
    step, scattered = _steps(values, address)
    offset = _offset(values, address, scattered)
    pointer = values.pointers[number]
    if scattered or step not in (0, 1):
        _scatter(values, pointer, offset, element, b.splat(raw, values.width))
        return
    place = b.address(pointer, offset, element)
    if step == 0:
        b.ir.store(raw, place, align=slot.dtype.size_bytes)
        return
    raw = b.splat(raw, values.width)
    if values.mask is None:
        b.ir.store(raw, place, align=slot.dtype.size_bytes)
    else:
        masked_store(b, raw, place, values.mask, slot.dtype.size_bytes)


def masked_load(b: KernelBuilder, place: ir.Value, kind: ir.Type, mask: ir.Value, align: int) -> ir.Value:
    """The lanes of the mask; zero in the others, which are not touched."""
    arguments = [place, ir.Constant(I32, align), mask, ir.Constant(kind, None)]
    return b.call(f"llvm.masked.load.{type_suffix(kind)}.p0", kind, arguments)


def masked_store(b: KernelBuilder, value: ir.Value, place: ir.Value, mask: ir.Value, align: int) -> None:
    """Write the lanes of the mask; the others' bytes are not touched."""
    if isinstance(value.type.element, ir.IntType) and value.type.element.width < 64:
        mask = b.ir.and_(mask, _all_lanes(b, value.type.count))
    arguments = [value, place, ir.Constant(I32, align), mask]
    b.call(f"llvm.masked.store.{type_suffix(value.type)}.p0", ir.VoidType(), arguments)


def _all_lanes(b: KernelBuilder, lanes: int) -> ir.Value:
    """A mask of every lane that is no constant for LLVM.

    With AVX-512, LLVM 22 turns a masked store of truncated integers with one constant lane into a store of the wide
    integer (v16i32 -> v16i16: 4 bytes instead of 2). test_one_element_beyond_whole_vectors would notice.
    """
    high = b.ir.ashr(b.ir.ptrtoint(b.scratch, I64), b.i64(63))  # 0 in a user's address space, but only we know
    return b.splat(b.ir.icmp_signed("==", high, b.i64(0)), lanes)


def _steps(values: Values, address: Address) -> tuple[Dim, bool]:
    """The flat offset's step from lane to lane, and whether an atom varies too."""
    step = address.form.coefficients.get(values.vector, 0) if values.vector is not None else 0
    return step, any(values.varies(e) for e, _ in address.atoms)


def _offset(values: Values, address: Address, per_lane: bool, load: Expr | None = None) -> ir.Value:
    """The flat offset: of lane 0 if lanes are neighbours or equal, else of every lane."""
    b = values.builder
    step = address.form.coefficients.get(values.vector, 0) if values.vector is not None else 0
    per_lane = per_lane or step not in (0, 1)
    total = values.linear_value(address.form) if per_lane else values.linear_base(address.form)
    comes_from_data = False
    for atom, stride in address.atoms:
        comes_from_data |= bool(values.facts.loads(atom))
        part = values.value(atom)
        if stride != 1:
            part, factor = values.together([part, b.dim(stride)])
            part = b.ir.mul(part, factor)
        total = b.ir.add(*values.together([total, part]))
    if comes_from_data and load is not None and not values.facts.is_inside(load):
        total = _clamp(b, total, values.slots[load.attr])
    return b.splat(total, values.width) if per_lane else total


def _clamp(b: KernelBuilder, offset: ir.Value, slot: Slot) -> ir.Value:
    """Into the slot's elements, for slots that start at their first one."""
    if any(isinstance(s, int) and s < 0 for s in slot.strides):
        return offset
    span: Dim = 0
    for n, s in zip(slot.shape, slot.strides):
        span = span + (n - 1) * s
    lanes = lanes_of(offset)
    last, zero = b.splat(b.dim(span), lanes), b.splat(b.i64(0), lanes)
    offset = b.ir.select(b.ir.icmp_signed("<", offset, last), offset, last)
    return b.ir.select(b.ir.icmp_signed(">", offset, zero), offset, zero)


def _lane_pointers(b: KernelBuilder, pointer: ir.Value, offset: ir.Value, element: ir.Type, lanes: int) -> ir.Value:
    places = b.ir.gep(pointer, [offset], source_etype=element)
    places.type = ir.VectorType(POINTER, lanes)  # llvmlite types a gep by its base only
    return places


def _gather(values: Values, pointer: ir.Value, offset: ir.Value, element: ir.Type, guard: ir.Value | None) -> ir.Value:
    b, lanes = values.builder, values.width
    mask = values.mask
    if guard is not None:
        guard = b.splat(guard, lanes)
        mask = guard if mask is None else b.ir.and_(mask, guard)
    mask = ir.Constant(ir.VectorType(I1, lanes), [1] * lanes) if mask is None else mask
    kind = ir.VectorType(element, lanes)
    places = _lane_pointers(b, pointer, offset, element, lanes)
    arguments = [places, ir.Constant(I32, _align(element)), mask, ir.Constant(kind, None)]
    return b.call(f"llvm.masked.gather.{type_suffix(kind)}.v{lanes}p0", kind, arguments)


def _scatter(values: Values, pointer: ir.Value, offset: ir.Value, element: ir.Type, raw: ir.Value) -> None:
    b, lanes = values.builder, values.width
    mask = ir.Constant(ir.VectorType(I1, lanes), [1] * lanes) if values.mask is None else values.mask
    places = _lane_pointers(b, pointer, offset, element, lanes)
    arguments = [raw, places, ir.Constant(I32, _align(element)), mask]
    b.call(f"llvm.masked.scatter.{type_suffix(raw.type)}.v{lanes}p0", ir.VoidType(), arguments)


def _align(element: ir.Type) -> int:
    if isinstance(element, ir.IntType):
        return int(element.width) // 8
    return 4 if isinstance(element, ir.FloatType) else 8


def _zeros(b: KernelBuilder) -> ir.Value:
    found = b.module.globals.get("burnish.zeros")
    if found is None:
        kind = ir.ArrayType(I8, _ZERO_BYTES)
        found = ir.GlobalVariable(b.module, kind, "burnish.zeros")
        found.linkage, found.global_constant, found.initializer = "internal", True, ir.Constant(kind, None)
        found.align = 64
    return found
