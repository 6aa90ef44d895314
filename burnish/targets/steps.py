"""Parts that the variants of all targets share: steps on the reference kernel, and the places of storages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from burnish.dims import bounds
from burnish.kernels.task import Program, ReferenceStep
from burnish.kernels.work import reference_flops, tensor_bytes
from burnish.plan.manifest import REFERENCE, LaunchSpec, ReferenceStepSpec, StorageSpec


def reference_step(step: ReferenceStep, number: int) -> tuple[ReferenceStepSpec, LaunchSpec]:
    """The step and its entry among the launches. Its model goes into the plan as the blob that the step names."""
    blob = f"reference/{hashlib.sha256(step.model).hexdigest()}"
    spec = ReferenceStepSpec(step.name, step.op_type, blob, step.inputs, step.outputs, number)
    work = (reference_flops(step), tensor_bytes((*step.inputs, *step.outputs)))
    return spec, LaunchSpec(step.name, REFERENCE, (step.name,), step.op_type, *work)


def place_storages(
    program: Program, offsets: Mapping[int, int], constants: Mapping[int, StorageSpec]
) -> tuple[StorageSpec, ...]:
    """Every storage with its place. A constant that nothing reads any more gets size 0.

    offsets: in the arena, by storage; a storage that nothing touches has no offset
    """
    ranges = {name: (low, high) for name, (low, _, high) in program.symbols.items()}
    found: list[StorageSpec] = []
    for storage in program.storages:
        n = storage.number
        assert n == len(found), "storages are numbered in order"
        if storage.kind == "constant":
            found.append(constants.get(n) or StorageSpec(n, "arena", 0))
        elif storage.kind != "arena":
            found.append(StorageSpec(n, storage.kind, storage.size_bytes))
        elif n in offsets:
            found.append(StorageSpec(n, "arena", bounds(storage.size_bytes, ranges)[1], offsets[n]))
        else:
            found.append(StorageSpec(n, "arena", 0))
    return (*found, *(s for n, s in constants.items() if n >= len(found)))
