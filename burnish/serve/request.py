"""A request and its answers, as every protocol hands them to the server and every backend sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.serve.status import ServeError

Parameter = bool | int | float | str
NEWEST = -1  # the version of a request that names none


@dataclass(slots=True)
class Tensor:
    """A name, the protocol's data type (FP32, BYTES ...), and an array in C order; of `bytes` objects for BYTES."""

    name: str
    datatype: str
    data: np.ndarray[Any, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)


@dataclass(slots=True)
class StandIn(Tensor):
    """For a tensor whose data does not fit: the checks that come before the data's look at its type and at the shape
    that the client said, which may have negative sizes and more elements than can be counted.

    data    empty
    fault   what is wrong with the data; None if the model would find it, not the server
    """

    said: tuple[int, ...]
    fault: ServeError | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.said


@dataclass(slots=True)
class Sequence:
    """What binds requests together: an id (a number or a text; 0 and "" mean none); whether one is first or last."""

    id: int | str = 0
    is_start: bool = False
    is_end: bool = False


@dataclass(slots=True)
class Request:
    """What a client asks of a model.

    version      the version asked for; NEWEST if none was
    inputs       by name, batch dimension included
    wanted       names of outputs; empty for all of them
    priority     1 is first; 0 means the model's default
    timeout_us   the longest wait in a queue in microseconds; 0 means the model's default
    traceparent  W3C's header, and tracestate with it, of a client that traces; "" for none
    """

    model: str
    inputs: dict[str, Tensor]
    version: int = NEWEST
    id: str = ""
    wanted: tuple[str, ...] = ()
    parameters: dict[str, Parameter] = field(default_factory=dict)
    priority: int = 0
    timeout_us: int = 0
    sequence: Sequence | None = None
    traceparent: str = ""
    tracestate: str = ""


@dataclass(slots=True)
class Response:
    """One answer: outputs or an error. A decoupled model gives any number of them; `is_final` marks the last.

    outputs is None for a final mark without an answer, which a decoupled model's last one may be.
    """

    model: str
    version: int
    id: str = ""
    outputs: list[Tensor] | None = None
    parameters: dict[str, Parameter] = field(default_factory=dict)
    error: ServeError | None = None
    is_final: bool = True
