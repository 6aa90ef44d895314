"""The description of an engine's inputs and outputs for callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from burnish.dims import evaluate, symbols
from burnish.plan.manifest import Manifest, TensorSpec

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InputInfo:
    """An input or an output of an engine.

    dtype          numpy's; bfloat16 and the other small floats are those of ml_dtypes
    shape          a number for each axis, or the name (or formula) of a dimension that calls decide; ("...",) for an
                   output whose number of axes the data of a run decides
    min, opt, max  the shape at the smallest, best and largest size of the plan's profile; of an output None if the
                   data of a run decides its size
    has_default    calls may leave the input out
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]
    min: Shape | None
    opt: Shape | None
    max: Shape | None
    has_default: bool = False


def describe_inputs(manifest: Manifest) -> tuple[InputInfo, ...]:
    """In the plan's order."""
    defaults = {d.input for d in manifest.defaults}
    return tuple(replace(_describe(t, manifest), has_default=t.name in defaults) for t in manifest.inputs)


def describe_outputs(manifest: Manifest) -> tuple[InputInfo, ...]:
    """In the plan's order."""
    open_ranks = {s.output for s in manifest.output_shapes}
    return tuple(
        InputInfo(t.name, t.dtype.numpy, ("...",), None, None, None) if t.name in open_ranks else _describe(t, manifest)
        for t in manifest.outputs
    )


def _describe(spec: TensorSpec, manifest: Manifest) -> InputInfo:
    known = [s for s in manifest.symbols if not s.from_data]
    shape = tuple(n if isinstance(n, int) else str(n) for n in spec.shape)
    low, opt, high = (_sizes(spec, {s.name: getattr(s, which) for s in known}) for which in ("min", "opt", "max"))
    return InputInfo(spec.name, spec.dtype.numpy, shape, low, opt, high)


def _sizes(spec: TensorSpec, values: Mapping[str, int]) -> Shape | None:
    if any(not symbols(n) <= values.keys() for n in spec.shape):
        return None
    return tuple(evaluate(n, values) for n in spec.shape)
