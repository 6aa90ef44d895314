"""What candidates answer: a trial's tensors on a device, shared by all, and the parts of outputs that are compared.

Small outputs are compared whole. Of a large one so many pieces are, spread evenly, the first and the last among them:
to copy and compare hundreds of megabytes for each candidate would take longer than to time it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from burnish.devices import Device
from burnish.runtime import Context
from burnish.tune.trial import Trial

Array = np.ndarray[Any, Any]
PIECES, PIECE = 64, 1 << 14  # how many at most, elements of each


class Answers:
    """The trial's inputs and outputs in a device's memory, the same for all contexts, which run one after the other."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}

    def upload(self, device: Device) -> None:
        """E520 if there is not enough memory."""
        for here, there in ((self._trial.inputs, self._inputs), (self._trial.outputs, self._outputs)):
            for name, array in here.items():
                there[name] = device.upload(array)

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        """The memory is free, even while an exception remembers who used it."""
        self._inputs.clear()
        self._outputs.clear()

    def of(self, context: Context) -> list[Array]:
        """What a context computes, from the same start as every other; it stays bound to these tensors."""
        for name, dtype, start, stop in self._parts():
            part, content = self._part(name, dtype, start, stop), self._trial.outputs[name]
            here = content[start * dtype.itemsize : stop * dtype.itemsize]
            np.copyto(part, here) if isinstance(part, np.ndarray) else part.fill(here)
        context(self._inputs, out=self._outputs)
        found = []
        for name, dtype, start, stop in self._parts():
            part = self._part(name, dtype, start, stop)
            found.append((part.copy() if isinstance(part, np.ndarray) else part.numpy()).view(dtype))
        return found

    def _part(self, name: str, dtype: np.dtype[Any], start: int, stop: int) -> Any:
        """These elements' bytes."""
        output, step = self._outputs[name], dtype.itemsize
        if isinstance(output, np.ndarray):
            return output[start * step : stop * step]
        return output.part(start * step, stop * step)

    def _parts(self) -> Iterator[tuple[str, np.dtype[Any], int, int]]:
        """(output, type, first element, end) of all that is compared."""
        for name, dtype in self._trial.written:
            count = self._trial.outputs[name].nbytes // dtype.itemsize
            for start, stop in pieces(count):
                yield name, dtype, start, stop


def pieces(count: int) -> list[tuple[int, int]]:
    """Ranges of elements: all of them, or PIECES of PIECE, spread evenly from the first to the last."""
    if count <= PIECES * PIECE:
        return [(0, count)]
    starts = np.linspace(0, count - PIECE, PIECES).astype(np.int64)
    return [(int(start), int(start) + PIECE) for start in starts]
