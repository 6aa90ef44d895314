"""Binding shapes: input shapes -> the value of every symbol -> the shapes of the outputs.

An input's dimension is an integer, a symbol (solved by a direct match), or an expression (checked once its symbols are
known). Refusals name the input, the axis and the range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, DimExpr, Symbol, evaluate, format_shape, symbols
from burnish.errors import UserError
from burnish.plan.manifest import Manifest, SymbolRange, TensorSpec

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """The profile's symbols under one set of input shapes. An output's shape is None while data decides it."""

    values: dict[str, int]
    outputs: tuple[Shape | None, ...]


def bind_shapes(manifest: Manifest, shapes: Sequence[Shape]) -> Bound:
    """The symbols' values, every dimension checked against the profile.

    raises: E504 wrong rank; E505 a dimension that the profile does not allow; E506 equal symbols that disagree
    """
    ranges = {s.name: s for s in manifest.symbols}
    values: dict[str, int] = {}
    found_in: dict[str, str] = {}
    for spec, shape in zip(manifest.inputs, shapes):
        if len(shape) != len(spec.shape):
            raise _wrong_rank(spec, shape)
        for axis, (dim, size) in enumerate(zip(spec.shape, shape)):
            name = symbol_name(dim)
            if name is None:
                continue
            if name in values and values[name] != size:
                raise _disagreement(spec, axis, size, name, values[name], found_in[name])
            if not ranges[name].min <= size <= ranges[name].max:
                raise _outside_profile(spec, axis, size, ranges[name])
            values[name] = size
            found_in.setdefault(name, f"input '{spec.name}', axis {axis}")
    for spec, shape in zip(manifest.inputs, shapes):
        for axis, (dim, size) in enumerate(zip(spec.shape, shape)):
            if symbol_name(dim) is None and symbols(dim) <= values.keys() and evaluate(dim, values) != size:
                raise _wrong_size(spec, axis, size, dim, values)
    for s in manifest.symbols:  # a symbol that no input names directly keeps the one value it can have
        if not s.from_data and s.name not in values:
            values[s.name] = s.opt
    return Bound(values, tuple(known_shape(t.shape, values) for t in manifest.outputs))


def symbol_name(dim: Dim) -> str | None:
    """The name, if a dimension is a symbol and nothing else."""
    if isinstance(dim, DimExpr) and len(dim.terms) == 1:
        atoms, coefficient = dim.terms[0]
        if coefficient == 1 and len(atoms) == 1 and isinstance(atoms[0], Symbol):
            return atoms[0].name
    return None


def known_shape(shape: Sequence[Dim], values: Mapping[str, int]) -> Shape | None:
    """Its sizes, or None while a symbol has no value."""
    if any(not symbols(n) <= values.keys() for n in shape):
        return None
    return tuple(evaluate(n, values) for n in shape)


def profile_shapes(manifest: Manifest, which: str = "opt") -> dict[str, Shape]:
    """The inputs' shapes at the profile's min, opt or max."""
    values = {s.name: int(getattr(s, which)) for s in manifest.symbols}
    return {t.name: tuple(evaluate(n, values) for n in t.shape) for t in manifest.inputs}


def _where(spec: TensorSpec, axis: int | None = None) -> str:
    place = f"input '{spec.name}' {spec.dtype.value}{format_shape(spec.shape)}"
    return place if axis is None else f"{place}, axis {axis}"


def _wrong_rank(spec: TensorSpec, shape: Shape) -> UserError:
    return UserError(
        "E504",
        f"input '{spec.name}' has {len(shape)} dimensions; the plan's has {len(spec.shape)}",
        where=_where(spec),
        why=f"the array's shape is {format_shape(shape)}",
        hint="add or drop axes (array[None], reshape) before the call",
    )


def _outside_profile(spec: TensorSpec, axis: int, size: int, allowed: SymbolRange) -> UserError:
    span = f"{allowed.min}" if allowed.min == allowed.max else f"{allowed.min} to {allowed.max}"
    return UserError(
        "E505",
        f"axis {axis} of input '{spec.name}' is {size}; the plan's profile allows {span}",
        where=_where(spec, axis),
        why=f"the plan was built for '{allowed.name}' {span}",
        hint="pad or cut the data, or build a plan with a wider profile (--min, --opt, --max)",
    )


def _wrong_size(spec: TensorSpec, axis: int, size: int, dim: Dim, values: Mapping[str, int]) -> UserError:
    wanted = evaluate(dim, values)
    return UserError(
        "E505",
        f"axis {axis} of input '{spec.name}' is {size}; the plan's profile allows {wanted}",
        where=_where(spec, axis),
        why="the dimension is fixed in the model" if isinstance(dim, int) else f"{dim} is {wanted} here",
        hint="pad or cut the data, or build a plan for this shape (--shapes)",
    )


def _disagreement(spec: TensorSpec, axis: int, size: int, name: str, value: int, first: str) -> UserError:
    return UserError(
        "E506",
        f"axis {axis} of input '{spec.name}' is {size}, but '{name}' is {value}",
        where=_where(spec, axis),
        why=f"{first} has the same dimension '{name}' and is {value}",
        hint="give both inputs the same size there",
    )
