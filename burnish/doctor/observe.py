"""Run samples through a plan that stops after each launch, and through the f32 model; measure each tensor's error.

inherited + made   the plan as it runs
made               each launch on the f32 model's numbers
stored             nothing but what the tensor's type does to the f32 model's numbers
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.calibration.samples import is_batched, rows_of
from burnish.doctor.difference import Difference
from burnish.doctor.reference import Reference
from burnish.doctor.tasks import Boundary, Tasks

Array = np.ndarray[Any, Any]
Sample = Mapping[str, Array]
Progress = Callable[[str, int, int], None]
IMAGES = frozenset({"Conv", "ConvTranspose", "BatchNormalization", "GlobalAveragePool", "AveragePool", "MaxPool"})


@dataclass(eq=False)
class Observed:
    """The errors at one boundary, and the least and the greatest exact number."""

    boundary: Boundary
    axis: int
    low: float = np.inf
    high: float = -np.inf
    whole: Difference = field(init=False)
    made: Difference = field(init=False)
    stored: Difference = field(init=False)

    def __post_init__(self) -> None:
        self.whole, self.made, self.stored = (Difference(self.axis) for _ in range(3))

    @property
    def tensor(self) -> str:
        """The f32 model's tensor."""
        return self.boundary.meaning.tensor


@dataclass(eq=False)
class Observation:
    """Everything that the samples showed. outputs: the plan's, by name; samples: how many there were."""

    boundaries: list[Observed]
    outputs: dict[str, Difference]
    samples: int = 0
    nan: dict[str, int] = field(default_factory=dict)  # NaN in the f32 model's tensors, by name, in the graph's order


def observe(tasks: Tasks, reference: Reference, samples: Sequence[Sample], progress: Progress) -> Observation:
    """Each sample runs once in the plan as it is, and once with each launch on the f32 model's numbers."""
    found = {b.name: Observed(b, channel_axis(reference.graph, b.meaning.tensor)) for b in tasks.boundaries}
    seen = Observation([], {})
    for number, sample in enumerate(samples):
        progress("diagnose", number, len(samples))
        exact = reference(sample)
        _count_nan(seen.nan, exact, reference.graph)
        tasks.run(sample, partial(_add_whole, tasks, found, exact))
        tasks.run_apart(sample, exact, partial(_add_made, found, exact))
        add_outputs(seen.outputs, tasks.engine(sample), exact)
        seen.samples += rows_of(sample, is_batched(tasks.engine.manifest))
    seen.boundaries = [own for own in found.values() if own.whole.count]
    return seen


def _add_whole(tasks: Tasks, found: Mapping[str, Observed], exact: Sample, boundary: Boundary, numbers: Array) -> None:
    own, right = found[boundary.name], exact.get(boundary.meaning.tensor)
    if right is None or right.shape != numbers.shape:
        return
    own.whole.add(numbers, right)
    own.stored.add(tasks.stored(boundary, right), right)
    finite = right[np.isfinite(right)]
    own.low = min(own.low, float(finite.min(initial=np.inf)))
    own.high = max(own.high, float(finite.max(initial=-np.inf)))


def _add_made(found: Mapping[str, Observed], exact: Sample, boundary: Boundary, numbers: Array) -> None:
    right = exact.get(boundary.meaning.tensor)
    if right is not None and right.shape == numbers.shape:
        found[boundary.name].made.add(numbers, right)


def add_outputs(found: dict[str, Difference], given: Mapping[str, Any], exact: Mapping[str, Array]) -> None:
    """Compare a run's outputs with the f32 model's, those that are numbers."""
    for name, array in given.items():
        right = exact.get(name)
        if right is not None and isinstance(array, np.ndarray) and array.shape == right.shape:
            found.setdefault(name, Difference(-1)).add(array.astype(np.float32), right)


def worst(outputs: Iterable[Difference]) -> float:
    """The largest error of any output, as a whole."""
    return max((d.whole for d in outputs), default=0.0)


def channel_axis(graph: ir.Graph, tensor: str) -> int:
    """1 for images, else the last one."""
    for node in graph:
        if node.op_type in IMAGES and any(v is not None and v.name == tensor for v in (node.inputs[0], *node.outputs)):
            return 1
    return -1


def _count_nan(found: dict[str, int], exact: Mapping[str, Array], graph: ir.Graph) -> None:
    for value in (*graph.inputs, *(v for node in graph for v in node.outputs)):
        array = exact.get(str(value.name))
        if array is not None and (bad := int(np.count_nonzero(np.isnan(array)))):
            found[str(value.name)] = found.get(str(value.name), 0) + bad
