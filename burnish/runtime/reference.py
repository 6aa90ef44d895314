"""Reference steps: an ONNX node without a native kernel, on `burnish.reference`; onnx is imported when one runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any

import numpy as np

from burnish.errors import BurnishError, UserError
from burnish.plan.manifest import ReferenceStepSpec, TensorSpec
from burnish.reference.evaluator import evaluator

Array = np.ndarray[Any, Any]


class ReferenceStep:
    """One step of one engine; the evaluator is made at its first run and kept."""

    def __init__(self, spec: ReferenceStepSpec, model: Any, constants: Set[int] = frozenset()) -> None:
        """constants: the numbers of the storages whose content never changes"""
        self.spec = spec
        self._constants = constants
        self._model = model
        self._evaluator: Any = None
        self._kept: dict[int, Array] = {}

    def inputs(self, read: Callable[[TensorSpec], Array]) -> list[Array]:
        """Every input, by `read`; a constant that had to be copied from the device is copied once."""
        found = []
        for place, tensor in enumerate(self.spec.inputs):
            array = self._kept.get(place)
            if array is None:
                array = read(tensor)
                if tensor.storage in self._constants and array.flags.owndata:
                    array.flags.writeable = False
                    self._kept[place] = array
            found.append(array)
        return found

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The step's outputs, dense, of the declared dtypes.

        raises: E512 if the node fails on this data; E832 if onnx is not installed
        """
        try:
            if self._evaluator is None:
                self._evaluator = evaluator(bytes(self._model))
            names = [t.name for t in self.spec.outputs]
            results = self._evaluator.run(names, {t.name: a for t, a in zip(self.spec.inputs, inputs)})
        except BurnishError:
            raise
        except Exception as error:  # the reference kernels may raise any exception
            raise self._failure(f"{type(error).__name__}: {error}") from error
        pairs = zip(results, self.spec.outputs)
        return [np.ascontiguousarray(np.asarray(r, dtype=t.dtype.numpy)).reshape(np.shape(r)) for r, t in pairs]

    def _failure(self, why: str) -> UserError:
        return UserError(
            "E512",
            f"{self.spec.op_type} failed on this data",
            where=f"node '{self.spec.name}', on the reference kernel",
            why=why,
            hint="it ran on made-up inputs at build time: compare these with what the operator accepts, or report it",
        )
