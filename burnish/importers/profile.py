"""Optimization profiles: which shapes of its inputs a plan must run.

A profile gives min, opt and max of every dynamic input. Where min == max the dimension becomes a number before the
passes run, so most plans have no dynamic dimension left. A dynamic input that no profile names is fixed at 1 on every
dynamic axis, as trtexec does, and `notes` says so.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish.dims import symbols
from burnish.errors import UserError
from burnish.ops.inference.infer import input_dim
from burnish.ops.language.ordering import LARGEST

MOST_ELEMENTS = 1 << 48  # of an input: more than any address space holds

Shape = Sequence[int]
Range = tuple[Shape, Shape, Shape]


@dataclass(frozen=True)
class Profile:
    """min, opt, max of each input, whole shapes; inputs in the model's order."""

    ranges: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def fixed(self) -> dict[str, list[int | None]]:
        """What is one number for the whole profile, per input and axis."""
        return {
            name: [a if a == b else None for a, b in zip(low, high)] for name, (low, _, high) in self.ranges.items()
        }


def resolve_profile(
    model: ir.Model, shapes: Mapping[str, Shape] | None = None, ranges: Mapping[str, Range] | None = None
) -> Profile:
    """The profile of a model from fixed `shapes` and (min, opt, max) `ranges` by input name.

    raises: E601 for a name that is no input, E602 for a shape that does not fit the input
    """
    wanted: dict[str, Range] = {name: (shape, shape, shape) for name, shape in (shapes or {}).items()}
    wanted |= dict(ranges or {})
    inputs = {v.name or "": v for v in model.graph.inputs if v.name not in model.graph.initializers}
    for name in wanted:
        if name not in inputs:
            raise _unknown(name, list(inputs))
    resolved: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {}
    notes: list[str] = []
    for name, value in inputs.items():
        declared = list(value.shape) if value.shape is not None else []
        if name in wanted:
            low, opt, high = (tuple(int(n) for n in s) for s in wanted[name])
            _check(name, declared, low, opt, high, value.shape is not None)
        else:
            low = opt = high = tuple(n if isinstance(n, int) else 1 for n in declared)
            if any(not isinstance(n, int) for n in declared):
                text = "x".join(map(str, low)) or "scalar"
                notes.append(f"input '{name}' is dynamic and no shape was given: fixed at {text}")
        resolved[name] = (low, opt, high)
    return Profile(resolved, tuple(notes))


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


def _unknown(name: str, inputs: list[str]) -> UserError:
    close = difflib.get_close_matches(name, inputs, 1)
    return UserError(
        "E601",
        f"the model has no input '{name}'",
        why=f"its inputs are {', '.join(inputs) or 'none'}",
        hint=f"did you mean '{close[0]}'?" if close else "name one of the model's inputs",
    )


def _text(range_: tuple[int, int, int]) -> str:
    return "..".join(map(str, range_))
