"""Loads and stores as Triton text: addresses, tails, guards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.facts import FAR
from burnish.kernels.scope import Term
from burnish.kernels.slot import Slot
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.arithmetic import nothing, register_kind, stored_kind, typed
from burnish.targets.cuda.expressions.values import Value, both, converted, let, named, size_value
from burnish.targets.cuda.text import INT32, KernelText


def load(text: KernelText, number: int, slot: Slot, offset: Value, mask: Value | None, guard: Value | None) -> Value:
    """An element in register form; 0 in lanes that the mask or the guard forbids."""
    if guard is not None:
        mask = guard if mask is None else both(text, mask, guard)
    place, masking = _pointer(text, number, offset, mask)
    loaded = f"tl.load({place}{f', mask={masking}, other={nothing(slot.dtype)}' if masking else ''})"
    kind = register_kind(slot.dtype)
    if slot.dtype is DType.BOOL:
        loaded = f"({loaded} != 0)"
    elif kind != stored_kind(slot.dtype):
        loaded = f"{loaded}.to(tl.{kind})"
    dims = offset.dims if mask is None else offset.dims | mask.dims
    return Value(let(text, loaded), kind, dims)


def stored(text: KernelText, dtype: DType, value: Value) -> Value:
    """A register value, rounded to the type in memory."""
    value = named(text, value)
    if dtype is DType.BOOL and value.kind != "int1":
        value = Value(let(text, arithmetic.cast("int1", value.text)), "int1", value.dims)
    kind = stored_kind(dtype)
    return value if kind == value.kind else Value(f"{value.text}.to(tl.{kind})", kind, value.dims)


def store(text: KernelText, number: int, offset: Value, mask: Value | None, value: Value) -> None:
    """Write an element in the lanes of the mask."""
    place, masking = _pointer(text, number, offset, mask)
    text.line(f"tl.store({place}, {value.text}{f', mask={masking}' if masking else ''})")


def mask_of(own: Value | None, places: Iterable[Value]) -> Value | None:
    """The lanes that exist of all these axes, and of `own`."""
    found: dict[str, frozenset[int]] = {}
    if own is not None:
        found[own.text] = own.dims
    for place in places:
        if place.mask:
            found[place.mask] = place.dims
    if not found:
        return None
    return Value(" & ".join(found), "int1", frozenset().union(*found.values()))


def _pointer(text: KernelText, slot: int, offset: Value, mask: Value | None) -> tuple[str, str]:
    """Pointer and mask texts; the pointer has every dimension that the mask has."""
    pointer = f"{text.pointer(slot)} + {offset.text}" if offset.text != "0" else text.pointer(slot)
    if mask is None:
        return pointer, ""
    if mask.dims <= offset.dims and offset.dims:
        return pointer, mask.text
    place, masking = text.numbered("p"), text.numbered("m")
    text.line(f"{place}, {masking} = tl.broadcast({pointer}, {mask.text})")
    return place, masking


def offset_of(text: KernelText, constant: Dim, axes: Sequence[Term[Value]], atoms: Iterable[Term[Value]]) -> Value:
    """The flat element offset; terms that are the same in all lanes come first."""
    terms: list[Value] = []
    reach = abs(constant) if isinstance(constant, int) else FAR
    for part in (axes, atoms):
        for term in part:
            terms.append(_scaled(text, term))
            reach += term.most * abs(term.factor) if isinstance(term.factor, int) else FAR
    terms.sort(key=lambda v: (len(v.dims), sorted(v.dims)))
    if constant != 0 or not terms:
        terms.insert(0, size_value(text, constant))
    if reach >= INT32 and any(v.kind == "int32" for v in terms):
        terms[0] = converted(text, terms[0], "int64")  # so that every sum is one of i64
    if len(terms) == 1:
        return terms[0]
    kind = "int64" if any(v.kind == "int64" for v in terms) else "int32"
    return Value(f"({' + '.join(v.text for v in terms)})", kind, frozenset().union(*(v.dims for v in terms)))


def _scaled(text: KernelText, term: Term[Value]) -> Value:
    """value * factor, in i64 unless it stays below 2**31."""
    value, factor = term.value, term.factor
    if factor == 1:
        return value
    if value.constant and isinstance(factor, int):
        return size_value(text, int(value.text) * factor)
    scale = size_value(text, factor)
    fits = isinstance(factor, int) and term.most * abs(factor) < INT32
    if not fits:
        value = converted(text, value, "int64")
    return Value(f"{value.text} * {scale.text}", value.kind, value.dims)


def clamped(text: KernelText, offset: Value, last: Dim) -> Value:
    """The offset, at least 0 and at most `last`."""
    wide = converted(text, named(text, offset), "int64")
    highest = named(text, converted(text, size_value(text, last), "int64"))
    bounded = f"tl.maximum(tl.minimum({wide.text}, {highest.text}), {typed(0, 'int64')})"
    return Value(let(text, bounded), "int64", offset.dims)
