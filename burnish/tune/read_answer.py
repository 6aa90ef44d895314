"""Read the candidates' answers: a trial's tensors on a device, shared by all, and the parts of outputs to compare.

Small outputs are compared whole. Of a large output, evenly spread pieces are compared, including the first and the
last: copying and comparing hundreds of megabytes for each candidate would take longer than timing it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.devices import Device
from burnish.runtime import Context
from burnish.tune.trial import Trial

Array = np.ndarray[Any, Any]
PIECES, PIECE = 64, 1 << 14  # the largest number of pieces, and the elements of each


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
        """Free the memory, even if an exception still refers to its users."""
        self._inputs.clear()
        self._outputs.clear()

    def of(self, context: Context) -> list[Array]:
        """A context's answer, from the same initial data as all others. The context stays bound to these tensors."""
        for name, dtype in self._trial.written:
            content = self._trial.outputs[name]
            for start, stop in self._ranges(name, dtype):
                part = self._part(name, start, stop)
                np.copyto(part, content[start:stop]) if isinstance(part, np.ndarray) else part.fill(content[start:stop])
        context(self._inputs, out=self._outputs)
        return [self._read(name, dtype) for name, dtype in self._trial.written]

    def _read(self, name: str, dtype: np.dtype[Any]) -> Array:
        parts = [self._part(name, start, stop) for start, stop in self._ranges(name, dtype)]
        found: Array = np.concatenate([p if isinstance(p, np.ndarray) else p.numpy() for p in parts])
        return found.view(dtype)

    def _part(self, name: str, start: int, stop: int) -> Any:
        output = self._outputs[name]
        return output[start:stop] if isinstance(output, np.ndarray) else output.part(start, stop)

    def _ranges(self, name: str, dtype: np.dtype[Any]) -> list[tuple[int, int]]:
        """The ranges of the output's bytes that are compared."""
        step = dtype.itemsize
        return [(start * step, stop * step) for start, stop in pieces(self._trial.outputs[name].nbytes // step)]


def pieces(count: int) -> list[tuple[int, int]]:
    """Ranges of elements: all of them, or PIECES of PIECE, spread evenly from the first to the last."""
    if count <= PIECES * PIECE:
        return [(0, count)]
    starts = np.linspace(0, count - PIECE, PIECES).astype(np.int64)
    return [(int(start), int(start) + PIECE) for start in starts]
