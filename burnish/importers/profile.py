"""Optimization profiles: the input shapes that a plan must be able to run.

A profile gives min, opt and max of every dynamic input. Where min == max the dimension becomes a number before the
passes run, so most plans have no dynamic dimension left. A dynamic input that no profile names is fixed at 1 on every
dynamic axis, as trtexec does, and `notes` says so; or, with a batch range, gets it on its first axis.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish.arguments import expect_mapping, parse_batch, parse_shape
from burnish.dims import symbols
from burnish.errors import UserError
from burnish.ops.inference.infer import input_dim
from burnish.ops.language.ordering import LARGEST

MOST_ELEMENTS = 1 << 48  # of an input: more than any address space holds

Shape = Sequence[int]
Range = tuple[Shape | str, Shape | str, Shape | str]
Sizes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Profile:
    """min, opt, max of each input, whole shapes; inputs in the model's order."""

    ranges: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def fixed(self) -> dict[str, list[int | None]]:
        """The dimensions that are one number for the whole profile, per input and axis."""
        return {
            name: [a if a == b else None for a, b in zip(low, high)] for name, (low, _, high) in self.ranges.items()
        }


def resolve_profile(
    model: ir.Model,
    shapes: Mapping[str, Shape | str] | None = None,
    ranges: Mapping[str, Range] | None = None,
    defaults: Mapping[str, tuple[int, ...]] | None = None,
    batch: Sequence[int] | str | None = None,
) -> Profile:
    """The profile of a model from fixed `shapes` and (min, opt, max) `ranges` by input name.

    defaults: the shapes of inputs that neither names
    batch:    min, opt and max of the first axis of all other inputs that are dynamic; on it alone they may be
    raises: E601 for a name that is no input, E602 for a shape that does not fit the input, E605, E613, E615, E627
    """
    wanted = {name: (shape,) * 3 for name, shape in (defaults or {}).items()} | _asked_for(shapes, ranges)
    inputs = {v.name or "": v for v in model.graph.inputs if v.name not in model.graph.initializers}
    for name in wanted:
        if name not in inputs:
            raise _unknown(name, list(inputs))
    notes: list[str] = []
    if batch is not None:
        others = {name: value for name, value in inputs.items() if name not in wanted}
        batched = _batched(others, parse_batch(batch))
        if others and not batched:
            notes.append("a batch was given, but all inputs have fixed shapes: it changes nothing")
        wanted |= batched
    resolved: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {}
    for name, value in inputs.items():
        declared = list(value.shape) if value.shape is not None else []
        if name in wanted:
            low, opt, high = wanted[name]
            _check(name, declared, low, opt, high, value.shape is not None)
        else:
            low = opt = high = tuple(n if isinstance(n, int) else 1 for n in declared)
            if any(not isinstance(n, int) for n in declared):
                text = "x".join(map(str, low)) or "scalar"
                notes.append(f"input '{name}' is dynamic and no shape was given: fixed at {text}")
        resolved[name] = (low, opt, high)
    return Profile(resolved, tuple(notes))


def _asked_for(shapes: Mapping[str, Shape | str] | None, ranges: Mapping[str, Range] | None) -> dict[str, Sizes]:
    """min, opt and max by the given names."""
    found: dict[str, Sizes] = {}
    if shapes is not None:
        expect_mapping("shapes", shapes, '{"image": (1, 3, 224, 224)}')
        for name, shape in shapes.items():
            found[name] = (parse_shape(shape, f"the shape of input '{name}'"),) * 3
    if ranges is not None:
        expect_mapping("profile", ranges, '{"image": ((1, 3, 224, 224), (8, 3, 224, 224), (16, 3, 224, 224))}')
        for name, range_ in ranges.items():
            if name in found:
                raise _twice(name)
            if not isinstance(range_, Sequence) or isinstance(range_, str) or len(range_) != 3:
                raise _no_range(name, range_)
            low, opt, high = (parse_shape(s, f"{w} of input '{name}'") for s, w in zip(range_, ("min", "opt", "max")))
            found[name] = low, opt, high
    return found


def _batched(inputs: Mapping[str, ir.Value], batch: Sequence[int]) -> dict[str, Sizes]:
    """The inputs with the batch range on their first axis; none if all are fixed. E627 for an axis without a size."""
    found: dict[str, Sizes] = {}
    declared = {name: None if value.shape is None else list(value.shape) for name, value in inputs.items()}
    for name, shape in declared.items():
        if shape is not None and all(isinstance(n, int) for n in shape):
            continue
        axis = 0 if shape is None else next((a for a, n in enumerate(shape) if a and not isinstance(n, int)), 0)
        if shape is None or axis:
            why = "the batch is the first axis alone" if axis else "the model does not say how many axes it has"
            raise _without_size(name, axis, shape, why)
        other = next((o for o, s in declared.items() if not s or isinstance(s[0], int)), None)
        if other is not None:
            raise _without_size(name, 0, shape, f"it is no batch, for input '{other}' has none")
        found[name] = tuple((n, *shape[1:]) for n in batch)  # type: ignore[assignment]
    return found


def _without_size(name: str, axis: int, shape: Sequence[object] | None, why: str) -> UserError:
    shown = "of unknown rank" if shape is None else [n if isinstance(n, int) else str(n) for n in shape]
    return UserError(
        "E627",
        f"nothing says which sizes axis {axis} of input '{name}' may have",
        where=f"input '{name}' {shown}",
        why=why,
        hint="give the input one shape with --shapes, or a range with --min, --opt and --max",
    )


def symbol_ranges(profile: Profile, graph: ir.Graph) -> dict[str, tuple[int, int, int]]:
    """min, opt, max of every symbol in the inputs' shapes.

    raises: E603 if two inputs give one symbol different ranges
    """
    found: dict[str, tuple[int, int, int]] = {}
    owner: dict[str, str] = {}
    for value in graph.inputs:
        name = value.name or ""
        if name not in profile.ranges or value.shape is None:
            continue
        low, opt, high = profile.ranges[name]
        for axis in range(len(value.shape)):
            for symbol in symbols(input_dim(value, axis)):
                range_ = (low[axis], opt[axis], high[axis])
                if found.setdefault(symbol, range_) != range_:
                    raise UserError(
                        "E603",
                        f"dimension '{symbol}' has two ranges: {_text(found[symbol])} and {_text(range_)}",
                        where=f"inputs '{owner[symbol]}' and '{name}'",
                        why="the model gives both axes one name, so they are equal in every run",
                        hint="give both inputs the same min, opt and max on that axis",
                    )
                owner.setdefault(symbol, name)
    return found


def _check(name: str, declared: Sequence[object], low: Shape, opt: Shape, high: Shape, has_rank: bool) -> None:
    why = ""
    if has_rank and any(len(s) != len(declared) for s in (low, opt, high)):
        why = f"the input has rank {len(declared)}"
    elif len({len(low), len(opt), len(high)}) > 1:
        why = "min, opt and max have different ranks"
    elif not all(0 <= a <= b <= c for a, b, c in zip(low, opt, high)):
        why = "min <= opt <= max must hold on every axis, and none may be negative"
    elif max(high, default=0) > LARGEST or math.prod(high) > MOST_ELEMENTS:
        why = f"an axis has at most {LARGEST:,} elements and a tensor {MOST_ELEMENTS:,}"
    else:
        for axis, (n, a, c) in enumerate(zip(declared, low, high)):
            if isinstance(n, int) and not a == c == n:
                why = f"axis {axis} is {n} in the model"
                break
    if why:
        text = "x".join(map(str, low)) if low == high else " / ".join("x".join(map(str, s)) for s in (low, opt, high))
        raise UserError(
            "E602",
            f"shape {text} does not fit input '{name}'",
            where=f"input '{name}' {[n if isinstance(n, int) else str(n) for n in declared]}",
            why=why,
            hint="give a shape of the input's rank that agrees with its fixed axes",
        )


def _no_range(name: object, given: object) -> UserError:
    count = f"{len(given)} shapes" if isinstance(given, list | tuple) else f"a {type(given).__name__}"
    return UserError(
        "E602",
        f"the profile of input '{name}' is {count}, not (min, opt, max)",
        where=f"input '{name}'",
        why="a profile has the smallest shape, the one the plan is tuned for, and the largest",
        hint=f'profile={{"{name}": ((1, 3, 224, 224), (8, 3, 224, 224), (16, 3, 224, 224))}}, or shapes= for one shape',
    )


def _twice(name: object) -> UserError:
    return UserError(
        "E615",
        f"input '{name}' has a shape and a profile",
        why="shapes= fixes it, profile= gives it a range",
        hint="name it in one of them",
    )


def _unknown(name: object, inputs: list[str]) -> UserError:
    close = difflib.get_close_matches(str(name), inputs, 1)
    return UserError(
        "E601",
        f"the model has no input '{name}'",
        why=f"its inputs are {', '.join(inputs) or 'none'}",
        hint=f"did you mean '{close[0]}'?" if close else "name one of the model's inputs",
    )


def _text(range_: tuple[int, int, int]) -> str:
    return "..".join(map(str, range_))
