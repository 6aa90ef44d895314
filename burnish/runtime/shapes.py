"""Binding shapes: input shapes -> the value of every symbol -> the shapes of the outputs.

An input's dimension is an integer, a symbol (solved by a direct match), or an expression (checked once its symbols are
known). Refusals name the input, the axis and the range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.arguments import wrong_kind
from burnish.dims import Dim, evaluate, format_shape, symbol_name, symbols
from burnish.errors import UserError
from burnish.plan.manifest import Manifest, StepSpec, SymbolRange, TensorSpec
from burnish.requirement import Requirement, unmet

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """The profile's symbols under one set of input shapes. An output's shape is None while data decides it."""

    values: dict[str, int]
    outputs: tuple[Shape | None, ...]


@dataclass(frozen=True, slots=True)
class InputRule:
    """What an input's shape must be: axes that are a symbol, axes that are a number, and the rest."""

    spec: TensorSpec
    named: tuple[tuple[int, str, int, int], ...]  # axis, symbol, min, max
    fixed: tuple[tuple[int, int], ...]
    other: tuple[tuple[int, Dim], ...]


@dataclass(frozen=True, slots=True)
class ShapeRules:
    """A manifest's shapes, analysed once: shapes that change in each call (a growing cache) are bound in a few us."""

    inputs: tuple[InputRule, ...]
    outputs: tuple[tuple[Dim | str, ...] | None, ...]  # str: a bare symbol; None: data decides
    ranges: Mapping[str, SymbolRange]
    unsolved: Mapping[str, int]  # symbols that no input names directly keep the one value they can have
    required: tuple[Requirement, ...] = ()


def shape_rules(manifest: Manifest, steps: Sequence[StepSpec] = ()) -> ShapeRules:
    """The rules for `bind_shapes`. steps: the variant's steps, for their requirements on the inputs' shapes."""
    ranges = {s.name: s for s in manifest.symbols}
    inputs = tuple(_input_rule(spec, ranges) for spec in manifest.inputs)
    solved = {name for rule in inputs for _, name, _, _ in rule.named}
    known = {s.name for s in manifest.symbols if not s.from_data}
    known_rank = {t.name for t in manifest.outputs} - {s.output for s in manifest.output_shapes}
    outputs = [
        t.shape if t.name in known_rank and all(symbols(n) <= known for n in t.shape) else None
        for t in manifest.outputs
    ]
    sizes = tuple(None if shape is None else tuple(symbol_name(n) or n for n in shape) for shape in outputs)
    required = tuple(s for s in steps if isinstance(s, Requirement) and s.symbols <= known)
    return ShapeRules(inputs, sizes, ranges, {name: ranges[name].opt for name in sorted(known - solved)}, required)


def bind_shapes(rules: ShapeRules, shapes: Sequence[Shape]) -> Bound:
    """The symbols' values, every dimension checked against the profile.

    raises: E504 wrong rank; E505 a dimension that the profile does not allow; E506 equal symbols that disagree;
            E509 sizes that a node cannot take together
    """
    values: dict[str, int] = {}
    for rule, shape in zip(rules.inputs, shapes):
        if len(shape) != len(rule.spec.shape):
            raise _wrong_rank(rule.spec, shape)
        for axis, name, low, high in rule.named:
            size = shape[axis]
            if values.setdefault(name, size) != size:
                raise _disagreement(rule.spec, axis, size, name, values[name], _first_use(rules, name))
            if not low <= size <= high:
                raise _outside_profile(rule.spec, axis, size, rules.ranges[name])
        for axis, size in rule.fixed:
            if shape[axis] != size:
                raise _wrong_size(rule.spec, axis, shape[axis], size, {})
    values.update(rules.unsolved)
    for rule, shape in zip(rules.inputs, shapes):
        for axis, dim in rule.other:
            if shape[axis] != evaluate(dim, values):
                raise _wrong_size(rule.spec, axis, shape[axis], dim, values)
    for requirement in rules.required:
        if error := unmet(requirement, values):
            raise error
    outputs = tuple(None if s is None else _sizes(s, values) for s in rules.outputs)
    for n, found in enumerate(outputs):
        if found is not None and min(found, default=0) < 0:
            raise _negative_size(n, found)
    return Bound(values, outputs)


def _input_rule(spec: TensorSpec, ranges: Mapping[str, SymbolRange]) -> InputRule:
    axes = list(enumerate(spec.shape))
    names = [(axis, name) for axis, dim in axes if (name := symbol_name(dim)) is not None]
    return InputRule(
        spec,
        named=tuple((axis, name, ranges[name].min, ranges[name].max) for axis, name in names),
        fixed=tuple((axis, dim) for axis, dim in axes if isinstance(dim, int)),
        other=tuple((axis, dim) for axis, dim in axes if not isinstance(dim, int) and symbol_name(dim) is None),
    )


def _first_use(rules: ShapeRules, name: str) -> str:
    places = ((rule.spec.name, axis) for rule in rules.inputs for axis, symbol, _, _ in rule.named if symbol == name)
    first, axis = next(places)
    return f"input '{first}', axis {axis}"


def _sizes(shape: Sequence[Dim | str], values: Mapping[str, int]) -> Shape:
    return tuple([n if isinstance(n, int) else values[n] if isinstance(n, str) else evaluate(n, values) for n in shape])


def known_shape(shape: Sequence[Dim], values: Mapping[str, int]) -> Shape | None:
    """Its sizes, or None while a symbol has no value."""
    if any(not symbols(n) <= values.keys() for n in shape):
        return None
    return _sizes(shape, values)


def profile_shapes(manifest: Manifest, which: str = "opt") -> dict[str, Shape]:
    """The inputs' shapes at the profile's min, opt or max. E605 for another word."""
    if not isinstance(which, str) or which not in ("min", "opt", "max"):
        raise wrong_kind("which", which, "min, opt or max")
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


def _negative_size(output: int, shape: Shape) -> UserError:
    return UserError(
        "E509",
        f"the plan's output {output} would have the shape {format_shape(shape)}",
        why="the inputs are too small for what the model does with them: cut, pooled or convolved, nothing is left",
        hint="give larger inputs",
    )


def _disagreement(spec: TensorSpec, axis: int, size: int, name: str, value: int, first: str) -> UserError:
    return UserError(
        "E506",
        f"axis {axis} of input '{spec.name}' is {size}, but '{name}' is {value}",
        where=_where(spec, axis),
        why=f"{first} has the same dimension '{name}' and is {value}",
        hint="give both inputs the same size there",
    )
