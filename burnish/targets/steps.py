"""The parts of a variant that all targets share: steps that the runtime executes itself, launches' entries, storages.

A target makes the steps of the work that its machine code does (`native`). All others are the same for every target.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from burnish.dims import bounds
from burnish.index_check import IndexCheck
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Branch, Fail, Launch, Program, ReferenceStep, Step, digest_of
from burnish.kernels.work import bytes_touched, flops, reference_flops, tensor_bytes
from burnish.plan.manifest import (
    REFERENCE,
    BranchStep,
    FailStep,
    LaunchSpec,
    ReferenceStepSpec,
    StepSpec,
    StorageSpec,
)
from burnish.requirement import Requirement
from burnish.targets.constants import Constants


@dataclass
class Parts:
    """The parts to which steps refer, collected while the steps are made: constants, launches' entries, blobs."""

    constants: Constants
    launches: list[LaunchSpec] = field(default_factory=list)
    blobs: dict[str, bytes | memoryview] = field(default_factory=dict)
    _described: dict[str, LaunchSpec] = field(default_factory=dict)  # by kernel key

    def add_launch(self, launch: Launch, schedule: Schedule) -> int:
        """The number of the launch's entry."""
        kernel = launch.kernel
        if kernel.key not in self._described:
            work = (flops(kernel), bytes_touched(kernel))
            described = LaunchSpec("", type(kernel).__name__, (), str(schedule), *work, digest_of(kernel))
            self._described[kernel.key] = described
        self.launches.append(replace(self._described[kernel.key], name=launch.name, nodes=launch.nodes))
        return len(self.launches) - 1

    def add_reference(self, step: ReferenceStep) -> ReferenceStepSpec:
        """The step; its model is a blob, and it has an entry among the launches."""
        self.constants.use(step)
        blob = f"reference/{hashlib.sha256(step.model).hexdigest()}"
        self.blobs[blob] = step.model
        spec = ReferenceStepSpec(step.name, step.op_type, blob, step.inputs, step.outputs, len(self.launches))
        work = (reference_flops(step), tensor_bytes((*step.inputs, *step.outputs)))
        self.launches.append(LaunchSpec(step.name, REFERENCE, (step.name,), step.op_type, *work))
        return spec


def make_steps(
    steps: Sequence[Step],
    parts: Parts,
    is_native: Callable[[Step], bool],
    native: Callable[[Sequence[Step]], Iterable[StepSpec]],
) -> tuple[StepSpec, ...]:
    """The plan's steps, in order.

    is_native: does the target's machine code do this step?
    native:    the plan's steps for consecutive native ones
    """

    def of_runtime(step: Step) -> StepSpec:
        if isinstance(step, ReferenceStep):
            return parts.add_reference(step)
        if isinstance(step, Requirement | IndexCheck):
            return step
        if isinstance(step, Fail):
            return FailStep(step.name, step.reason)
        assert isinstance(step, Branch) and step.condition.offset == 0, step
        parts.constants.use_condition(step)
        then, otherwise = (make_steps(side, parts, is_native, native) for side in (step.then, step.otherwise))
        return BranchStep(step.condition.storage, then, otherwise)

    found: list[StepSpec] = []
    for are_native, group in groupby(steps, is_native):
        consecutive = list(group)
        found += native(consecutive) if are_native else map(of_runtime, consecutive)
    return tuple(found)


def place_storages(
    program: Program, offsets: Mapping[int, int], constants: Mapping[int, StorageSpec]
) -> tuple[StorageSpec, ...]:
    """Every storage with its place. A constant that nothing reads any more gets size 0.

    offsets: in the arena, by storage; a storage that nothing touches has no offset
    """
    found: list[StorageSpec] = []
    for storage in program.storages:
        n = storage.number
        assert n == len(found), "storages are numbered in order"
        if storage.kind == "constant":
            found.append(constants.get(n) or StorageSpec(n, "arena", 0))
        elif storage.kind != "arena":
            found.append(StorageSpec(n, storage.kind, storage.size_bytes))
        elif n in offsets:
            found.append(StorageSpec(n, "arena", bounds(storage.size_bytes, program.ranges)[1], offsets[n]))
        else:
            found.append(StorageSpec(n, "arena", 0))
    return (*found, *(s for n, s in constants.items() if n >= len(found)))
