"""A request inside the server: who is to be answered, how far it is, and when it got there."""

from __future__ import annotations

import contextlib
import enum
import time
from collections.abc import Callable, Mapping, Sequence

from burnish.serve.request import Parameter, Request, Response, Tensor
from burnish.serve.status import Code, ServeError

Reply = Callable[[Response], None]
now_ns = time.perf_counter_ns


class Failure(enum.StrEnum):
    """Why a request failed, as the counters of failures name it."""

    REJECTED = "REJECTED"  # a full queue, or a timeout in one
    CANCELED = "CANCELED"
    BACKEND = "BACKEND"
    OTHER = "OTHER"


class Job:
    """Lives on the event loop's thread: a backend that works elsewhere comes back there before it answers.

    rows        the request's batch size, 1 for a model without a batch dimension
    reply       called with each answer; the last has `is_final`
    *_ns        when the request came, was taken from its queue, had its inputs in the backend's hands, had its outputs,
                and was answered (perf_counter; 0: not yet). Statistics and traces are made of them.
    on_end      called once after the last answer, for whoever counts
    on_outputs  sees all outputs of an answer before those are left out that the client did not ask for, and may put
                others in their place: a cache keeps them, a sequence its state
    steps       of an ensemble's request: the jobs of its models, once it is over
    outside     the shapes that clients see of outputs that the model gives in another one
    failure     why it failed; None for an answer, and for an error that the model itself gives as its answer
    """

    __slots__ = (
        "arrived_ns", "ended_ns", "failure", "has_answered", "inputs_ready_ns", "is_cancelled", "is_over", "model",
        "on_cancel", "on_end", "on_outputs", "outputs_ready_ns", "outside", "reply", "request", "rows", "started_ns",
        "steps", "version",
    )  # fmt: skip

    def __init__(self, request: Request, model: str, version: int, rows: int, reply: Reply) -> None:
        self.request, self.model, self.version, self.rows, self.reply = request, model, version, rows, reply
        self.arrived_ns = now_ns()
        self.started_ns = self.inputs_ready_ns = self.outputs_ready_ns = self.ended_ns = 0
        self.has_answered = self.is_over = self.is_cancelled = False
        self.on_end: list[Callable[[Job], None]] = []
        self.on_cancel: Callable[[Job], None] | None = None  # set by the queue that holds it
        self.on_outputs: Callable[[list[Tensor]], list[Tensor]] | None = None
        self.failure: Failure | None = None
        self.steps: Sequence[Job] = ()
        self.outside: Mapping[str, tuple[int, ...]] = {}

    def answer(
        self, outputs: list[Tensor], parameters: dict[str, Parameter] | None = None, is_final: bool = True
    ) -> None:
        """Send outputs, without those that the client did not ask for."""
        if self.is_over:
            return
        if self.on_outputs is not None:
            outputs = self.on_outputs(outputs)
        wanted = self.request.wanted
        if wanted:
            outputs = [t for t in outputs if t.name in wanted]
        for tensor in outputs if self.outside else ():
            with contextlib.suppress(ValueError, KeyError):  # a model that gives other sizes is shown as it is
                tensor.data = tensor.data.reshape(self.outside[tensor.name])
        self.send(Response(self.model, self.version, self.request.id, outputs, dict(parameters or {}), None, is_final))

    def fail(self, error: ServeError, is_final: bool = True, failure: Failure | None = Failure.BACKEND) -> None:
        if not self.is_over:
            self.failure = failure
        self.send(Response(self.model, self.version, self.request.id, None, {}, error, is_final))

    def end(self) -> None:
        """The final mark of a decoupled model that has no more answers."""
        self.send(Response(self.model, self.version, self.request.id))

    def send(self, response: Response) -> None:
        """Pass an answer on. What comes after the last one is dropped: a backend may answer when a deadline has."""
        if self.is_over:
            return
        self.has_answered = self.has_answered or response.outputs is not None
        if response.is_final:
            self.is_over, self.ended_ns = True, now_ns()
        self.reply(response)
        if response.is_final:
            for call in self.on_end:
                call(self)

    def cancel(self) -> None:
        """The client is gone: a queued job leaves its queue; a backend may look at `is_cancelled` and stop."""
        if self.is_over or self.is_cancelled:
            return
        self.is_cancelled = True
        if self.on_cancel is not None:
            self.on_cancel(self)


def cancelled() -> ServeError:
    return ServeError(Code.CANCELLED, "the request was cancelled")
