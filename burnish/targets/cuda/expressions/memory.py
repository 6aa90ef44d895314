"""Loads and stores of an `Emitter`: addresses, tails, guards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.facts import FAR, Address, unclamped
from burnish.kernels.task import Slot
from burnish.ops.language.expr import Axis, Expr
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.arithmetic import register_kind, stored_kind, typed
from burnish.targets.cuda.expressions.values import Value
from burnish.targets.cuda.text import INT32

if TYPE_CHECKING:
    from burnish.targets.cuda.expressions.emitter import Emitter


def load(scope: Emitter, expr: Expr) -> Value:
    """The value of a load, in register form."""
    slot = scope.slots[expr.attr]
    address = scope.facts.address(expr.attr, expr.args)
    guard = None if scope.guard is None or scope.facts.is_inside(expr) else scope.guard
    if scope.guard is not None and address.atoms:
        address, changed = unclamped(address, [atom for atom, _ in address.atoms], scope.assumed)
        guard = scope.guard if changed else guard
    offset = offset_of(scope, address)
    comes_from_data = any(scope.facts.loads(atom) for atom, _ in address.atoms)
    if comes_from_data and not scope.facts.is_inside(expr):
        offset = _clamped(scope, offset, slot)
    mask = _mask(scope, _address_axes(scope, address))
    if guard is not None:
        mask = guard if mask is None else scope.both(mask, guard)
    place, masking = _pointer(scope, expr.attr, offset, mask)
    text = f"tl.load({place}{f', mask={masking}, other=0' if masking else ''})"
    kind = register_kind(slot.dtype)
    if slot.dtype is DType.BOOL:
        text = f"({text} != 0)"
    elif kind != stored_kind(slot.dtype):
        text = f"{text}.to(tl.{kind})"
    dims = offset.dims if mask is None else offset.dims | mask.dims
    return Value(scope.let(text), kind, dims)


def store(scope: Emitter, number: int, index: Sequence[Expr], value: Value) -> None:
    """Write a register value to a slot at an index, rounded to the slot's dtype."""
    wanted = scope.slots[number].dtype
    value = scope.named(value)
    if wanted is DType.BOOL and value.kind != "int1":
        value = Value(scope.let(arithmetic.cast("int1", value.text)), "int1", value.dims)
    text = value.text if stored_kind(wanted) == value.kind else f"{value.text}.to(tl.{stored_kind(wanted)})"
    address = scope.facts.address(number, tuple(index))
    offset = offset_of(scope, address)
    if not offset.dims and scope.zero:
        offset = Value(f"{offset.text} + {scope.zero}", offset.kind)
    place, mask = _pointer(scope, number, offset, _mask(scope, _address_axes(scope, address)))
    scope.line(f"tl.store({place}, {text}{f', mask={mask}' if mask else ''})")


def _address_axes(scope: Emitter, address: Address) -> list[Axis]:
    """In the order of the scope's axes."""
    used = set(address.form.coefficients).union(*(scope.facts.free(atom) for atom, _ in address.atoms))
    return [a for a in scope.axes if a in used]


def _mask(scope: Emitter, axes: Iterable[Axis]) -> Value | None:
    """The lanes that exist of all these axes."""
    found: dict[str, frozenset[int]] = {}
    if scope.mask is not None:
        found[scope.mask.text] = scope.mask.dims
    for a in axes:
        place = scope.axes[a]
        if place.mask:
            found[place.mask] = place.dims
    if not found:
        return None
    return Value(" & ".join(found), "int1", frozenset().union(*found.values()))


def _pointer(scope: Emitter, slot: int, offset: Value, mask: Value | None) -> tuple[str, str]:
    """Pointer and mask texts; the pointer has every dimension that the mask has."""
    base = scope.text.pointer(slot)
    pointer = f"{base} + {offset.text}" if offset.text != "0" else base
    if mask is None:
        return pointer, ""
    if mask.dims <= offset.dims and offset.dims:
        return pointer, mask.text
    place, masking = scope.text.numbered("p"), scope.text.numbered("m")
    scope.line(f"{place}, {masking} = tl.broadcast({pointer}, {mask.text})")
    return place, masking


def offset_of(scope: Emitter, address: Address) -> Value:
    """The flat element offset: what is the same in all lanes first."""
    terms: list[Value] = []
    for variable, coefficient in address.form.coefficients.items():
        largest = variable.extent if isinstance(variable.extent, int) else FAR
        terms.append(_scaled(scope, scope.axes[variable].value, coefficient, largest))
    for atom, stride in address.atoms:
        low, high = scope.facts.range(atom)
        terms.append(_scaled(scope, scope.typed_value(atom), stride, max(abs(low), abs(high))))
    terms.sort(key=lambda v: (len(v.dims), sorted(v.dims)))
    if address.form.constant != 0 or not terms:
        terms.insert(0, scope.size(address.form.constant))
    if _reaches_far(scope, address) and any(v.kind == "int32" for v in terms):
        terms[0] = scope.converted(terms[0], "int64")  # so that every sum is one of i64
    if len(terms) == 1:
        return terms[0]
    kind = "int64" if any(v.kind == "int64" for v in terms) else "int32"
    return Value(f"({' + '.join(v.text for v in terms)})", kind, frozenset().union(*(v.dims for v in terms)))


def _reaches_far(scope: Emitter, address: Address) -> bool:
    """Might the offset need more than 31 bits?"""
    total = abs(address.form.constant) if isinstance(address.form.constant, int) else FAR
    for variable, coefficient in address.form.coefficients.items():
        reach = variable.extent * coefficient
        total += abs(reach) if isinstance(reach, int) else FAR
    for atom, stride in address.atoms:
        low, high = scope.facts.range(atom)
        total += max(abs(low), abs(high)) * abs(stride) if isinstance(stride, int) else FAR
    return total >= INT32


def _scaled(scope: Emitter, value: Value, factor: Dim, largest: int) -> Value:
    """value * factor, in i64 unless it stays below 2**31."""
    if factor == 1:
        return value
    if value.constant and isinstance(factor, int):
        return scope.size(int(value.text) * factor)
    scale = scope.size(factor)
    fits = isinstance(factor, int) and largest * abs(factor) < INT32
    if not fits:
        value = scope.converted(value, "int64")
    return Value(f"{value.text} * {scale.text}", value.kind, value.dims)


def _clamped(scope: Emitter, offset: Value, slot: Slot) -> Value:
    """Into the slot's elements, for slots that start at their first one."""
    if not slot.is_forward:
        return offset
    wide = scope.converted(scope.named(offset), "int64")
    last = scope.named(scope.converted(scope.size(slot.span - 1), "int64"))
    zero = typed(0, "int64")
    return Value(scope.let(f"tl.maximum(tl.minimum({wide.text}, {last.text}), {zero})"), "int64", offset.dims)
