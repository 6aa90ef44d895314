"""One request on its way through an ensemble."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from burnish.serve.job import Failure, Job, Reply, cancelled
from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.request import Parameter, Request, Response, Sequence, Tensor
from burnish.serve.scheduling.ensemble.graph import Graph, Part, Step
from burnish.serve.scheduling.ensemble.values import Place, Values, fit_batch
from burnish.serve.status import ServeError, invalid


class Model(Protocol):
    """A loaded version, as a step sees it."""

    config: ModelConfig

    def submit(self, request: Request, reply: Reply) -> Job: ...


Find = Callable[[str, int], Model]  # ServeError if it is not there


@dataclass(frozen=True, slots=True)
class Around:
    """What the runs of an ensemble share.

    find         a composing model
    enter        calls run.start(step, number), now or when the step has room
    on_step_end  a step of a run is over
    on_end       a request has been answered and none of its steps runs
    """

    graph: Graph
    config: ModelConfig
    find: Find
    enter: Callable[[EnsembleRun, Step, int], None]
    on_step_end: Callable[[Step], None]
    on_end: Callable[[EnsembleRun], None]


class EnsembleRun:
    """steps: the jobs of the composing models."""

    def __init__(self, job: Job, part: Part, around: Around) -> None:
        self.job, self.steps = job, list[Job]()
        self._part, self._around = part, around
        self._graph, self._config = around.graph, around.config
        self._values = Values(part)
        self._in_flight = 0
        self._error: ServeError | None = None
        self._is_over = False
        self._events: deque[Callable[[], None]] = deque()
        self._is_pumping = False

    def begin(self) -> None:
        request = self.job.request
        rows = self.job.rows if self._config.max_batch_size else 0
        places = [self._values.put(t.name, t, rows) for t in request.inputs.values()]
        places += [self._values.put(n, None, rows) for n in self._graph.optional if n not in request.inputs]
        self._later(partial(self._proceed, places))

    def cancel(self) -> None:
        self._error = self._error or cancelled()
        for step in list(self.steps):
            step.cancel()

    def start(self, step: Step, number: int) -> None:
        """Submit a step, unless the request has failed since."""
        if self._error is not None:
            self._later(partial(self._step_over, step))
            return
        try:
            model = self._around.find(step.model, step.version)
            has_batch = model.config.max_batch_size > 0
            request = self._request(step, number, model.config)
            self.steps.append(model.submit(request, partial(self._replied, step, has_batch)))
        except ServeError as error:
            self._error = self._error or error
            self._later(partial(self._step_over, step))

    def _request(self, step: Step, number: int, config: ModelConfig) -> Request:
        asked = self.job.request
        inputs = {}
        for name, tensor_name in step.inputs:
            value = self._values.take(tensor_name, number)
            tensor = value.tensor
            if tensor is None:
                continue
            data = tensor.data
            if bool(config.max_batch_size) != bool(value.rows):
                dims = next((t.dims for t in config.input if t.name == name), ())
                data = fit_batch(data, value.rows, dims, config.max_batch_size > 0)
            inputs[name] = Tensor(name, tensor.datatype, data)
        return Request(
            step.model, inputs, step.version, asked.id, tuple(step.outputs), asked.parameters, asked.priority,
            asked.timeout_us, asked.sequence,
        )  # fmt: skip

    def _replied(self, step: Step, has_batch: bool, response: Response) -> None:
        self._later(partial(self._consume, step, has_batch, response))

    def _later(self, event: Callable[[], None]) -> None:
        """Steps may answer while they are being submitted: what follows is done here, one after the other."""
        self._events.append(event)
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._events:
                self._events.popleft()()
        finally:
            self._is_pumping = False

    def _consume(self, step: Step, has_batch: bool, response: Response) -> None:
        places: list[Place] = []
        if response.error is not None:
            self._error = self._error or response.error
        elif response.outputs is not None and self._error is None:
            places = self._keep(step, has_batch, response.outputs)
        if response.is_final:
            self._in_flight -= 1
        self._proceed(places)
        if response.is_final:
            self._around.on_step_end(step)

    def _step_over(self, step: Step) -> None:
        self._in_flight -= 1
        self._proceed([])
        self._around.on_step_end(step)

    def _keep(self, step: Step, has_batch: bool, outputs: list[Tensor]) -> list[Place]:
        """What a model leaves out counts as a tensor that may be missing."""
        given = {t.name: t for t in outputs}
        places = []
        for name, tensor_name in step.outputs.items():
            tensor = given.get(name)
            rows = tensor.data.shape[0] if tensor is not None and has_batch and tensor.data.ndim else 0
            places.append(self._values.put(tensor_name, tensor, rows))
        return places

    def _proceed(self, places: list[Place]) -> None:
        if self._is_over:
            return
        if self._error is None and self.job.is_cancelled:
            self._error = cancelled()
        if self._error is None:
            ready = self._values.ready_steps(places)
            self._in_flight += len(ready)
            number = self._values.ready_outputs(places)
            if number is not None:
                self._answer(number)
            for step, n in ready:
                self._around.enter(self, step, n)
        if not self._in_flight and not self._is_over and not self._events:
            self._finish()

    def _answer(self, number: int) -> None:
        outputs = []
        has_batch = self._config.max_batch_size > 0
        for name, dims in self._graph.output_dims.items():
            if name not in self._part.outputs:
                continue
            value = self._values.take(name, number)
            if value.tensor is not None:
                data = fit_batch(value.tensor.data, value.rows, dims, has_batch)
                outputs.append(Tensor(name, value.tensor.datatype, data))
        self._is_over = not self._in_flight
        self.job.answer(outputs, _sequence_parameters(self.job.request), is_final=self._is_over)
        if self._is_over:
            self._end()

    def _finish(self) -> None:
        """No step runs, and the last answer has not been sent."""
        self._is_over = True
        job, name = self.job, self._config.name
        if self._error is None and not job.has_answered and not self._config.model_transaction_policy.decoupled:
            self._error = invalid(
                "unexpected deadlock, at least one output is not set while no more ensemble steps can be made"
            ).of_request(job.request.id)
        if self._error is None:
            job.end()
        elif job.is_cancelled:
            job.fail(cancelled(), failure=Failure.CANCELED)
        else:
            error = ServeError(self._error.code, f"in ensemble '{name}', {self._error.message}")
            job.fail(error, failure=Failure.OTHER)
        self._end()

    def _end(self) -> None:
        self._values = Values(self._part)  # what no step took
        self._around.on_end(self)


def _sequence_parameters(request: Request) -> dict[str, Parameter]:
    """Every answer of an ensemble tells its request's sequence, as Triton's do: a number as the 64 bits of an INT64."""
    sequence = request.sequence or Sequence()
    id = sequence.id
    if not isinstance(id, str):
        id = (id + 2**63) % 2**64 - 2**63
    return {"sequence_id": id, "sequence_start": sequence.is_start, "sequence_end": sequence.is_end}
