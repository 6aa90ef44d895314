"""Loop on the reference kernel, as ONNX defines it.

onnx's own class appends the scan outputs of the turns along the first axis, where ONNX stacks them along a new one (the
same only for vectors), fails where no turn is run, and runs none where the condition is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from burnish.dtypes import DType

Array = np.ndarray[Any, Any]


def stacking_loop(base: type) -> type:
    """onnx's class `Loop`, with this run; the name says to the evaluator which operator it is."""
    return type("Loop", (base,), {"_run": _run})


def _run(
    self: Any,
    trips: Array | None,
    condition: Array | None,
    *carried: Any,
    context: Mapping[str, Any] | None = None,
    attributes: Any = None,
    bindings: Any = None,
    **_: Any,
) -> tuple[Any, ...]:
    """The carried values after the last turn, then each scan output [turns, ...]."""
    names, count = self.body.input_names, len(carried)
    scans: list[list[Array]] = [[] for _ in self.body.output_names[1 + count :]]
    most = None if trips is None else int(np.asarray(trips).item())
    goes_on = condition is None or bool(np.asarray(condition).item())
    state, turn = list(carried), 0
    while goes_on and (most is None or turn < most):
        feeds = dict(zip(names, [np.array(turn, np.int64), np.array(goes_on), *state]))
        outputs = self._run_body({**(context or {}), **feeds}, attributes=attributes, bindings=bindings)
        goes_on, state = bool(np.asarray(outputs[0]).item()), list(outputs[1 : 1 + count])
        for kept, value in zip(scans, outputs[1 + count :]):
            kept.append(np.asarray(value))
        turn += 1
    types = self.body.output_types[1 + count :]
    return (*state, *(np.stack(kept) if kept else _nothing(proto) for kept, proto in zip(scans, types)))


def _nothing(proto: Any) -> Array:
    """The scan output of no turn: no rows, of the shape that the body declares."""
    tensor = proto.tensor_type
    return np.empty((0, *(d.dim_value for d in tensor.shape.dim)), DType.from_onnx(tensor.elem_type).numpy)
