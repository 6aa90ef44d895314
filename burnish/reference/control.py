"""Loop and Scan, as ONNX defines them.

onnx's own Loop concatenates the scan outputs of the iterations along the first axis. ONNX stacks them along a new axis
(the result is the same only for vectors). It also fails if there are no iterations, and runs none if the condition is
left out. Its Scan goes forward along the first axis only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from burnish.dtypes import DType

Array = np.ndarray[Any, Any]
_most_turns: ContextVar[int | None] = ContextVar("most_turns", default=None)


@contextmanager
def at_most(turns: int) -> Any:
    """Loops end after this many iterations, whatever their condition says: enough to see whether the body runs."""
    token = _most_turns.set(turns)
    try:
        yield
    finally:
        _most_turns.reset(token)


def run_loop(
    self: Any,
    trips: Array | None = None,
    condition: Array | None = None,
    *carried: Any,
    context: Mapping[str, Any] | None = None,
    attributes: Any = None,
    bindings: Any = None,
    **_: Any,
) -> tuple[Any, ...]:
    """The carried values after the last iteration, then each scan output [iterations, ...]."""
    names, count = self.body.input_names, len(carried)
    scans: list[list[Array]] = [[] for _ in self.body.output_names[1 + count :]]
    most = None if trips is None else int(np.asarray(trips).item())
    limit = _most_turns.get()
    most = most if limit is None else min(limit, limit if most is None else most)
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
    return (*state, *(np.stack(kept) if kept else _nothing(proto, 0) for kept, proto in zip(scans, types)))


def run_scan(
    self: Any,
    *inputs: Array,
    context: Mapping[str, Any] | None = None,
    attributes: Any = None,
    bindings: Any = None,
    num_scan_inputs: int,
    **directions: Any,
) -> tuple[Any, ...]:
    """The states after the last iteration, then each scan output, stacked along its axis in its direction."""
    count = len(inputs) - num_scan_inputs
    state, scanned = list(inputs[:count]), list(inputs[count:])
    axes, turned = (_each(directions.get(f"scan_input_{n}"), len(scanned)) for n in ("axes", "directions"))
    rows = [np.moveaxis(x, a, 0)[:: -1 if t else 1] for x, a, t in zip(scanned, axes, turned)]
    names, outputs = self.body.input_names, self.body.output_names
    scans: list[list[Array]] = [[] for _ in outputs[count:]]
    for turn in range(len(rows[0])):
        feeds = dict(zip(names, [*state, *(r[turn] for r in rows)]))
        results = self._run_body({**(context or {}), **feeds}, attributes=attributes, bindings=bindings)
        state = list(results[:count])
        for kept, value in zip(scans, results[count:]):
            kept.append(np.asarray(value))
    axes, turned = (_each(directions.get(f"scan_output_{n}"), len(scans)) for n in ("axes", "directions"))
    types = self.body.output_types[count:]
    stacked = [
        np.stack(kept[:: -1 if t else 1], a) if kept else _nothing(proto, a)
        for kept, proto, a, t in zip(scans, types, axes, turned)
    ]
    return (*state, *stacked)


def _each(values: Sequence[int] | None, count: int) -> list[int]:
    given = [int(v) for v in values or ()]
    return given + [0] * (count - len(given))


def _nothing(proto: Any, axis: int) -> Array:
    """The scan output of zero iterations: no rows, with the shape that the body declares."""
    tensor = proto.tensor_type
    shape = [d.dim_value for d in tensor.shape.dim]
    shape.insert(axis % (len(shape) + 1), 0)
    return np.empty(shape, DType.from_onnx(tensor.elem_type).numpy)
