"""One run of a plan with steps other than launches: reference steps, branches, sizes that data decides."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.devices import Session
from burnish.dims import evaluate, format_shape, symbols
from burnish.errors import BurnishError, InternalError, UserError
from burnish.plan.manifest import FailStep, ReferenceStepSpec, StorageSpec, TensorSpec
from burnish.requirement import Requirement, unmet
from burnish.runtime.layout import Item, Layout, Sides, revealed
from burnish.runtime.profile import Recorder
from burnish.runtime.shapes import Shape, known_shape

Array = np.ndarray[Any, Any]


class Run:
    """The state of one run. `values`: every symbol known by now."""

    def __init__(self, layout: Layout, session: Session, values: Mapping[str, int], recorder: Recorder | None) -> None:
        self._layout, self._session, self._recorder = layout, session, recorder
        self.values = dict(values)
        self._unallocated: list[StorageSpec] = list(layout.dynamic)

    def run(self) -> None:
        self.begin()
        self.do(self._layout.items)

    def begin(self) -> None:
        """Before the first step."""
        self._session.begin()
        self._allocate_known()

    def shape(self, spec: TensorSpec) -> Shape:
        """E514 if a symbol has no value yet."""
        shape = known_shape(spec.shape, self.values)
        if shape is None:
            raise _unknown_size(spec)
        return shape

    def do(self, items: Sequence[Item]) -> None:
        """The next steps."""
        for item in items:
            if isinstance(item, tuple):
                self._session.launch(item)
            elif isinstance(item, Sides):
                self.do(item.then if self._session.truth(item.condition) else item.otherwise)
            elif isinstance(item, FailStep):
                raise _cannot_run(item)
            elif isinstance(item, Requirement):
                if error := unmet(item, self.values):
                    raise error
            else:
                self._reference(item)

    def _reference(self, step: ReferenceStepSpec) -> None:
        kernel = self._layout.references[step.launch]
        if self._recorder is not None and step.inputs:  # earlier launches are timed separately
            self._session.read(step.inputs[0].storage, np.dtype(np.uint8), (0,))
        start = time.perf_counter()
        results = kernel.run(kernel.inputs(lambda t: self._session.read(t.storage, t.dtype.numpy, self.shape(t))))
        for spec, result in zip(step.outputs, results):
            if len(result.shape) != len(spec.shape):
                raise _unexpected_shape(step, spec, result.shape, self._given(step))
            self._learn(revealed(spec, result.shape))
        self._allocate_known()
        for spec, result in zip(step.outputs, results):
            shape = self.shape(spec)
            if 0 in shape and result.size == 0:  # a Loop without iterations cannot know these sizes
                result = result.reshape(shape)
            if shape != result.shape:
                raise _unexpected_shape(step, spec, result.shape, self._given(step))
            self._session.write(spec.storage, result)
        if self._recorder is not None:
            self._recorder.reference(step.launch, time.perf_counter() - start)

    def _given(self, step: ReferenceStepSpec) -> str:
        return ", ".join(f"{t.name} {format_shape(self.shape(t))}" for t in step.inputs)

    def _learn(self, found: Mapping[str, int]) -> None:
        """New symbols get their value; those that are known keep theirs."""
        for name, value in found.items():
            if name not in self.values:
                self.values[name] = value
                self._session.learn(name, value)

    def _allocate_known(self) -> None:
        waiting = []
        for storage in self._unallocated:
            if symbols(storage.size) <= self.values.keys():
                self._session.allocate(storage.number, evaluate(storage.size, self.values))
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


def _unexpected_shape(step: ReferenceStepSpec, spec: TensorSpec, shape: Shape, given: str) -> BurnishError:
    """Inputs of open sizes that do not fit together (numpy broadcasts where ONNX does not), or a bug of ours."""
    if any(symbols(n) for t in step.inputs for n in t.shape):
        return UserError(
            "E509",
            f"the inputs of {step.op_type} do not fit together: '{spec.name}' came out as {format_shape(shape)}",
            where=f"node '{step.name}', inputs {given}",
            why=f"the model says {format_shape(spec.shape)}",
            hint="give inputs whose sizes agree",
        )
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
