"""Reference steps: an ONNX node without a native kernel, on `onnx.reference`.

Here, and only when such a step runs, onnx is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any

import numpy as np

from burnish.errors import BurnishError, EnvironmentProblem, UserError
from burnish.plan.manifest import ReferenceStepSpec, TensorSpec
from burnish.runtime.reference_loop import stacking_loop

Array = np.ndarray[Any, Any]


class ReferenceStep:
    """One step of one engine; the evaluator is made at its first run and kept."""

    def __init__(self, spec: ReferenceStepSpec, model: Any, constants: Set[int] = frozenset()) -> None:
        """constants: numbers of storages whose content never changes"""
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
                self._evaluator = _evaluator(self._model)
            names = [t.name for t in self.spec.outputs]
            results = self._evaluator.run(names, {t.name: a for t, a in zip(self.spec.inputs, inputs)})
        except BurnishError:
            raise
        except Exception as error:  # the reference kernels raise whatever they like
            raise self._failure(f"{type(error).__name__}: {error}") from error
        pairs = zip(results, self.spec.outputs)
        return [np.ascontiguousarray(np.asarray(r, dtype=t.dtype.numpy)).reshape(np.shape(r)) for r, t in pairs]

    def _failure(self, why: str) -> UserError:
        return UserError(
            "E512",
            f"{self.spec.op_type} failed on this data",
            where=f"node '{self.spec.name}', on the reference kernel",
            why=why,
            hint="check the data against what the operator accepts",
        )


def _evaluator(model: Any) -> Any:
    try:
        import onnx
        from onnx.reference import ReferenceEvaluator
        from onnx.reference.ops.op_loop import Loop
    except ImportError as error:
        raise EnvironmentProblem(
            "E832",
            "this plan has a step on the reference kernel, which needs the package onnx",
            why=str(error),
            hint="pip install onnx; burnish inspect plan PLAN lists the nodes that need it",
        ) from error
    return ReferenceEvaluator(onnx.load_model_from_string(bytes(model)), new_ops=[stacking_loop(Loop)])
