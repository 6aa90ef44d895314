"""One run of a plan that is more than native segments: reference steps, branches, sizes that data decides."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.devices import Device, Memory, Team
from burnish.devices.cpu import array_at
from burnish.dims import evaluate, format_shape, symbols
from burnish.errors import InternalError, UserError
from burnish.plan.manifest import BranchStep, FailStep, NativeStep, ReferenceStepSpec, StepSpec, StorageSpec, TensorSpec
from burnish.runtime.layout import Layout, revealed
from burnish.runtime.profile import Recorder
from burnish.runtime.shapes import known_shape

Array = np.ndarray[Any, Any]


class Run:
    """The state of one run.

    values  every symbol known by now;   memory  what each storage is bound to, where the host must see it
    """

    def __init__(
        self,
        layout: Layout,
        device: Device,
        team: Team,
        tables: tuple[Any, Any],
        values: Mapping[str, int],
        symbol_index: Mapping[str, int],
        numbers: Mapping[int, int],
        recorder: Recorder | None,
    ) -> None:
        self._layout, self._device, self._team, self._recorder = layout, device, team, recorder
        self._buffers, self._dims = tables
        self._addresses = (ctypes.addressof(self._buffers), ctypes.addressof(self._dims))
        self.values = dict(values)
        self._symbol_index, self._numbers = symbol_index, numbers
        self._memory: dict[int, Memory] = {}
        self._unallocated: list[StorageSpec] = list(layout.dynamic)

    def run(self, steps: Sequence[StepSpec]) -> None:
        self._allocate_known()
        self._steps(steps)

    def owns(self, spec: TensorSpec) -> bool:
        """Was the tensor's memory made for this run alone? Then the caller may keep it."""
        return spec.storage in self._memory

    def view(self, spec: TensorSpec) -> Array:
        """A tensor's bytes, wherever they lie, as an array."""
        shape = known_shape(spec.shape, self.values)
        if shape is None:
            raise _unknown_size(spec)
        memory = self._memory.get(spec.storage) or self._layout.constants.get(spec.storage)
        if memory is not None:
            return memory.array(spec.dtype.numpy, shape)  # type: ignore[no-any-return]
        return array_at(self._buffers[spec.storage], spec.dtype.numpy, shape)

    def _steps(self, steps: Sequence[StepSpec]) -> None:
        for step in steps:
            if isinstance(step, NativeStep):
                self._native(step)
            elif isinstance(step, BranchStep):
                truth = ctypes.c_uint8.from_address(self._buffers[step.condition]).value
                self._steps(step.then if truth else step.otherwise)
            elif isinstance(step, FailStep):
                raise _cannot_run(step)
            else:
                self._reference(step)

    def _native(self, step: NativeStep) -> None:
        if self._recorder is None:
            self._team.launch(self._numbers[step.segment], *self._addresses, 0)
            return
        self._recorder.before(step)
        self._team.launch(self._numbers[step.segment], *self._addresses, self._recorder.address)
        self._recorder.after(step)

    def _reference(self, step: ReferenceStepSpec) -> None:
        start = time.perf_counter()
        results = self._layout.references[step.launch].run([self.view(t) for t in step.inputs])
        for spec, result in zip(step.outputs, results):
            self._learn(revealed(spec, result.shape))
        self._allocate_known()
        for spec, result in zip(step.outputs, results):
            place = self.view(spec)
            if place.shape != result.shape:
                raise _unexpected_shape(step, spec, result.shape)
            np.copyto(place, result)
        if self._recorder is not None:
            self._recorder.reference(step.launch, time.perf_counter() - start)

    def _learn(self, found: Mapping[str, int]) -> None:
        """New symbols get their value; those that are known keep theirs."""
        for name, value in found.items():
            if name not in self.values:
                self.values[name] = value
                self._dims[self._symbol_index[name]] = value

    def _allocate_known(self) -> None:
        waiting = []
        for storage in self._unallocated:
            if symbols(storage.size) <= self.values.keys():
                memory = self._device.allocate(max(evaluate(storage.size, self.values), 1))
                self._memory[storage.number] = memory
                self._buffers[storage.number] = memory.address
            else:
                waiting.append(storage)
        self._unallocated = waiting


def _cannot_run(step: FailStep) -> UserError:
    return UserError(
        "E515",
        "the inputs chose a side of an If that cannot run at the plan's shapes",
        where=f"node '{step.name}'",
        why=step.reason,
        hint="give inputs that choose the other side, or build with shapes (or a profile) that this side accepts",
    )


def _unexpected_shape(step: ReferenceStepSpec, spec: TensorSpec, shape: tuple[int, ...]) -> InternalError:
    return InternalError(
        "E513",
        f"{step.op_type} gave '{spec.name}' the shape {format_shape(shape)}",
        where=f"node '{step.name}', on the reference kernel",
        why=f"shape inference, whose word the plan takes, says {format_shape(spec.shape)}",
        hint="please report it, with the model",
    )


def _unknown_size(spec: TensorSpec) -> InternalError:
    return InternalError(
        "E514",
        f"the size of '{spec.name}' is not known when it is needed",
        where=f"{spec.dtype.value}{format_shape(spec.shape)}",
        why="no step before gave its dimensions a value",
        hint="please report it, with the model",
    )
