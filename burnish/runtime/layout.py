"""What an engine works out once about its variant, so that a call need not.

Where constants lie, which outputs are written in place, whether the whole plan is native.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.devices import Device, Memory
from burnish.dims import evaluate, symbol_name, symbols
from burnish.plan.manifest import (
    ALONE,
    WORTH_WAKING_FLOP,
    BranchStep,
    Manifest,
    NativeStep,
    ReferenceStepSpec,
    StepSpec,
    StorageSpec,
    TensorSpec,
    Variant,
)
from burnish.runtime.reference import ReferenceStep


@dataclass(frozen=True)
class Layout:
    """Frozen facts about one variant on one device.

    direct     outputs whose array the native code writes; the rest are collected when the run is over
    dynamic    storages that are allocated when their size is known, anew in every run
    segments   the native segments in order, if the plan is nothing else and needs no `dynamic`; else None
    """

    inputs: tuple[tuple[TensorSpec, np.dtype[Any]], ...]
    direct: tuple[tuple[int, TensorSpec], ...]
    collected: tuple[TensorSpec, ...]
    storages: tuple[StorageSpec, ...]
    constants: Mapping[int, Memory]
    dynamic: tuple[StorageSpec, ...]
    references: Mapping[int, ReferenceStep]
    segments: tuple[int, ...] | None

    @property
    def addresses(self) -> list[int]:
        """The buffer table of a context: constants in, everything else 0."""
        return [self.constants[s.number].address if s.number in self.constants else 0 for s in self.storages]


def make_layout(manifest: Manifest, variant: Variant, blobs: Mapping[str, Any], device: Device) -> Layout:
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
    segments = [step.segment for step in variant.steps if isinstance(step, NativeStep)]
    is_simple = len(segments) == len(variant.steps) and not dynamic and not collected
    return Layout(
        inputs=tuple((t, t.dtype.numpy) for t in manifest.inputs),
        direct=tuple(direct),
        collected=tuple(collected),
        storages=variant.storages,
        constants={s.number: device.constant(blobs[s.blob]) for s in variant.storages if s.kind == "constant"},
        dynamic=dynamic,
        references={s.launch: ReferenceStep(s, blobs[s.blob]) for s in _references(variant.steps)},
        segments=tuple(segments) if is_simple else None,
    )


def segment_numbers(steps: tuple[StepSpec, ...], values: Mapping[str, int]) -> dict[int, int]:
    """What to call each segment by under these symbols: with ALONE where waking other threads would not pay."""
    found: dict[int, int] = {}
    for step in steps:
        if isinstance(step, NativeStep):
            work = step.shared_work
            known = bool(work) and symbols(work) <= values.keys()
            alone = known and evaluate(work, values) < WORTH_WAKING_FLOP
            found[step.segment] = step.segment + (ALONE if alone else 0)
        elif isinstance(step, BranchStep):
            found |= segment_numbers((*step.then, *step.otherwise), values)
    return found


def _references(steps: tuple[StepSpec, ...]) -> list[ReferenceStepSpec]:
    found: list[ReferenceStepSpec] = []
    for step in steps:
        if isinstance(step, ReferenceStepSpec):
            found.append(step)
        elif isinstance(step, BranchStep):
            found += [*_references(step.then), *_references(step.otherwise)]
    return found


def revealed(spec: TensorSpec, shape: tuple[int, ...]) -> dict[str, int]:
    """The symbols that a tensor's actual shape gives values to."""
    named = ((symbol_name(dim), size) for dim, size in zip(spec.shape, shape))
    return {name: size for name, size in named if name is not None}
