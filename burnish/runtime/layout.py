"""Facts about a variant that an engine computes once, so that calls do not compute them again.

It finds the outputs that are written in place, and groups consecutive launches, which a session gets in one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.devices import Launches
from burnish.dims import symbol_name, symbols
from burnish.index_check import IndexCheck
from burnish.plan.manifest import (
    BranchStep,
    DefaultSpec,
    FailStep,
    KernelStep,
    Manifest,
    NativeStep,
    Presentation,
    ReferenceStepSpec,
    StepSpec,
    StorageSpec,
    TensorSpec,
    Variant,
    each_step,
)
from burnish.requirement import Requirement
from burnish.runtime.reference import ReferenceStep


@dataclass(frozen=True, slots=True)
class Sides:
    """A branch whose sides are gathered."""

    condition: int
    then: tuple[Item, ...]
    otherwise: tuple[Item, ...]


Item = Launches | Sides | ReferenceStepSpec | FailStep | Requirement


@dataclass(frozen=True)
class Layout:
    """Frozen facts about one variant.

    defaults   arrays of the inputs that a caller may leave out
    shown      outputs that callers get in another form
    direct     outputs whose array the launches write; the rest are collected when the run is over
    dynamic    storages that are allocated when their size is known, anew in every run
    checks     checks of indices after a run, and the places of their traces
    items      the steps; requirements on the inputs' shapes are checked when they are bound (shapes.py)
    output_shapes   the tensors that hold the shapes of outputs whose rank data decides
    launches   all steps, if the plan consists of launches only and has no `dynamic`; else None
    """

    inputs: tuple[tuple[TensorSpec, np.dtype[Any]], ...]
    variant: Variant
    direct: tuple[tuple[int, TensorSpec], ...]
    collected: tuple[TensorSpec, ...]
    dynamic: tuple[StorageSpec, ...]
    references: Mapping[int, ReferenceStep]
    items: tuple[Item, ...]
    checks: tuple[IndexCheck, ...]
    launches: Launches | None
    shown: tuple[Presentation, ...]
    defaults: Mapping[str, np.ndarray[Any, Any]]
    output_shapes: Mapping[str, TensorSpec]


def make_layout(manifest: Manifest, variant: Variant, blobs: Mapping[str, Any]) -> Layout:
    """cost: O(storages + steps); no weight is read"""
    from_data = {s.name for s in manifest.symbols if s.from_data}
    dynamic = tuple(
        s for s in variant.storages if s.kind == "dynamic" or (s.kind == "output" and symbols(s.size) & from_data)
    )
    in_place = {s.number for s in variant.storages if s.kind == "output"} - {s.number for s in dynamic}
    direct: list[tuple[int, TensorSpec]] = []
    collected: list[TensorSpec] = []
    for n, spec in enumerate(manifest.outputs):
        if spec.storage in in_place:
            in_place.remove(spec.storage)
            direct.append((n, spec))
        else:
            collected.append(spec)
    items = gather(tuple(s for s in variant.steps if not isinstance(s, Requirement) or s.symbols & from_data))
    constants = frozenset(s.number for s in variant.storages if s.kind == "constant")
    is_plain = all(isinstance(item, tuple) for item in items) and not dynamic and not collected
    return Layout(
        inputs=tuple((t, t.dtype.numpy) for t in manifest.inputs),
        variant=variant,
        direct=tuple(direct),
        collected=tuple(collected),
        dynamic=dynamic,
        references={
            s.launch: ReferenceStep(s, blobs[s.blob], constants)
            for s in each_step(variant.steps)
            if isinstance(s, ReferenceStepSpec)
        },
        items=items,
        checks=tuple(s for s in variant.steps if isinstance(s, IndexCheck)),
        launches=tuple(step for item in items if isinstance(item, tuple) for step in item) if is_plain else None,
        shown=manifest.presentations,
        defaults={d.input: _default(manifest, d, blobs) for d in manifest.defaults},
        output_shapes={s.output: s.shape for s in manifest.output_shapes},
    )


def _default(manifest: Manifest, default: DefaultSpec, blobs: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    dtype = next(t.dtype.numpy for t in manifest.inputs if t.name == default.input)
    return np.frombuffer(bytes(blobs[default.blob]), dtype).reshape(default.shape).copy()


def gather(steps: tuple[StepSpec, ...]) -> tuple[Item, ...]:
    """Consecutive launches become one item."""
    items: list[Item] = []
    for step in steps:
        if isinstance(step, BranchStep):
            items.append(Sides(step.condition, gather(step.then), gather(step.otherwise)))
        elif isinstance(step, IndexCheck):
            continue  # asked when the run is over
        elif not isinstance(step, NativeStep | KernelStep):
            items.append(step)
        elif items and isinstance(last := items[-1], tuple):
            items[-1] = (*last, step)
        else:
            items.append((step,))
    return tuple(items)


def revealed(spec: TensorSpec, shape: tuple[int, ...]) -> dict[str, int]:
    """The values of symbols that a tensor's actual shape determines."""
    named = ((symbol_name(dim), size) for dim, size in zip(spec.shape, shape))
    return {name: size for name, size in named if name is not None}
