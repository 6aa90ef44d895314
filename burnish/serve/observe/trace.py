"""One request's trace: when it got where, its tensors if they are wanted, and the steps of an ensemble below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.serve.datatypes import BYTES
from burnish.serve.job import Job
from burnish.serve.request import Tensor

QUEUE_INPUT, BACKEND_OUTPUT = "TENSOR_QUEUE_INPUT", "TENSOR_BACKEND_OUTPUT"


@dataclass(slots=True)
class Trace:
    """stamps       name and time, of the clock of `perf_counter_ns`; those that were reached, in their order
    tensors      an activity, and a tensor with data of its own
    traceparent  W3C's header of the request, and its companion; "" for none
    error        what the request failed with; "" if it did not
    """

    id: int
    model: str
    version: int
    request_id: str
    parent_id: int = 0
    rows: int = 1
    stamps: list[tuple[str, int]] = field(default_factory=list)
    tensors: list[tuple[str, Tensor]] = field(default_factory=list)
    steps: list[Trace] = field(default_factory=list)
    traceparent: str = ""
    tracestate: str = ""
    error: str = ""

    def stamp(self, name: str) -> int:
        """0 if it was not reached."""
        return next((ns for n, ns in self.stamps if n == name), 0)

    def all(self) -> Iterator[Trace]:
        yield self
        for step in self.steps:
            yield from step.all()


def stamps_of(job: Job) -> list[tuple[str, int]]:
    """Triton's names."""
    found = (
        ("REQUEST_START", job.arrived_ns),
        ("QUEUE_START", job.arrived_ns),
        ("COMPUTE_START", job.started_ns),
        ("COMPUTE_INPUT_END", job.inputs_ready_ns),
        ("COMPUTE_OUTPUT_START", job.outputs_ready_ns),
        ("COMPUTE_END", job.ended_ns if job.started_ns else 0),
        ("REQUEST_END", job.ended_ns),
    )
    return [(name, ns) for name, ns in found if ns]


def kept(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies: what a tensor's memory holds later is somebody else's."""
    return [Tensor(t.name, t.datatype, np.array(t.data, order="C")) for t in tensors]


def data_text(tensor: Tensor) -> str:
    flat: Any = tensor.data.reshape(-1)
    if tensor.datatype == BYTES:
        return ",".join(bytes(e).decode("utf-8", "backslashreplace") for e in flat)
    return ",".join(map(str, flat.tolist()))
