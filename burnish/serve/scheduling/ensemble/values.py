"""The tensors of an ensemble's request that are on their way between steps. They are passed on, never copied.

A decoupled step writes the same tensor several times, so each value has a number, and a step runs once for every number
that all of its inputs have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.serve.request import Tensor
from burnish.serve.scheduling.ensemble.graph import Part, Step

Place = tuple[str, int]  # a tensor's name, and the number of its value


@dataclass(slots=True)
class Value:
    """tensor: None for one that may be left out, and was. rows: 0 if there is no batch dimension."""

    tensor: Tensor | None
    rows: int
    uses: int


class Values:
    __slots__ = ("_counts", "_part", "_values")

    def __init__(self, part: Part) -> None:
        self._part = part
        self._values: dict[Place, Value] = {}
        self._counts: dict[str, int] = {}

    def put(self, name: str, tensor: Tensor | None, rows: int) -> Place:
        number = self._counts.get(name, 0)
        self._counts[name] = number + 1
        uses = self._part.uses.get(name, 0)
        if uses:
            self._values[name, number] = Value(tensor, rows, uses)
        return name, number

    def take(self, name: str, number: int) -> Value:
        """Read a value for one of its uses. The last one lets it go."""
        value = self._values[name, number]
        value.uses -= 1
        if not value.uses:
            del self._values[name, number]
        return value

    def ready_steps(self, places: Sequence[Place]) -> list[tuple[Step, int]]:
        """The steps that may run now that these have come."""
        found = {}
        for name, number in places:
            for step in self._part.readers.get(name, ()):
                if all((t, number) in self._values for _, t in step.inputs):
                    found[step.index, number] = (step, number)
        return list(found.values())

    def ready_outputs(self, places: Sequence[Place]) -> int | None:
        """The number for which all outputs are there now; None if there is none."""
        for name, number in places:
            if name in self._part.outputs and all((t, number) in self._values for t in self._part.outputs):
                return number
        return None


def fit_batch(data: np.ndarray[Any, Any], rows: int, dims: Sequence[int], has_batch: bool) -> np.ndarray[Any, Any]:
    """Between a model with a batch dimension and one without: a view with one more dimension of 1, or one less.

    rows: of the data, 0 if it has no batch dimension. dims: what the reader asks for, without its batch dimension
    """
    if has_batch == bool(rows):
        return data
    is_equal = len(dims) == data.ndim and all(d in (-1, n) for d, n in zip(dims, data.shape))
    if has_batch and is_equal:
        return data.reshape(1, *data.shape)
    if not has_batch and not is_equal and rows == 1:
        return data.reshape(data.shape[1:])
    return data
