"""Requests that are traced or logged one by one. While none are, the server does not come here at all."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from burnish.serve.job import Job, Reply, now_ns
from burnish.serve.observe.log_settings import LogSettings
from burnish.serve.observe.trace import BACKEND_OUTPUT, QUEUE_INPUT, Trace, kept, stamps_of
from burnish.serve.observe.trace_settings import OPENTELEMETRY, TENSORS, TraceSetting, TraceSettings
from burnish.serve.request import Request, Response
from burnish.serve.status import ServeError

log = logging.getLogger("burnish.serve.requests")
Submit = Callable[[Request, Reply], Job]
Watch = Callable[[Submit, Request, Reply], Job]
WriteTrace = Callable[[TraceSetting, Trace], None]


class WatchRequests:
    """install  called with this as a `Watch` while there is something to watch, with None while there is not
    write    takes each trace once its request is over; it must not block
    """

    def __init__(
        self, traces: TraceSettings, logs: LogSettings, write: WriteTrace, install: Callable[[Watch | None], None]
    ) -> None:
        self._traces, self._logs, self._write, self._install = traces, logs, write, install
        self._seen: Counter[str] = Counter()
        self._ids = itertools.count(1)
        traces.on_change.append(self._choose)
        logs.on_change.append(lambda _: self._choose())
        self._choose()

    def _choose(self) -> None:
        self._install(self.watch if self._traces.is_on or self._logs.setting.verbose_level else None)

    def watch(self, submit: Submit, request: Request, reply: Reply) -> Job:
        """Submit a request, and see it to its end if it is one of those."""
        setting = self._sample(request)
        if setting is None and not self._logs.setting.verbose_level:
            return submit(request, reply)
        start_ns = now_ns()
        held: list[Job] = []  # until it is here nothing is finished, for it may be answered before it is returned
        inputs = kept(list(request.inputs.values())) if setting is not None and TENSORS in setting.levels else []
        outputs: list[Any] = []
        errors: list[ServeError] = []
        loop = asyncio.get_running_loop()

        def end() -> None:
            self._end(held[0], setting, inputs, outputs, errors)

        def watched(response: Response) -> None:
            if inputs and response.outputs is not None:
                outputs.extend(kept(response.outputs))
            if response.error is not None:
                errors.append(response.error)
            reply(response)
            if response.is_final:
                loop.call_soon(end)  # then its times and an ensemble's steps are known

        try:
            held.append(submit(request, watched))
        except ServeError as error:
            self._refused(request, setting, start_ns, error)
            raise
        return held[0]

    def _sample(self, request: Request) -> TraceSetting | None:
        model = request.model
        setting = self._traces.of(model)
        if not setting.levels:
            return None
        if setting.mode == OPENTELEMETRY and request.traceparent:
            return setting  # whoever asked traces already: rate and count do not matter, as in Triton
        if not setting.count or not setting.rate:
            return None
        self._seen[model] += 1
        if self._seen[model] % setting.rate:
            return None
        self._traces.spend(model)
        return setting

    def _end(
        self,
        job: Job,
        setting: TraceSetting | None,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        errors: list[ServeError],
    ) -> None:
        error = errors[-1].message if errors else ""
        if self._logs.setting.verbose_level:
            log_request(job, error)
        if setting is not None:
            trace = self._trace(job, 0)
            trace.error = error
            trace.traceparent, trace.tracestate = job.request.traceparent, job.request.tracestate
            trace.tensors = [(QUEUE_INPUT, t) for t in inputs] + [(BACKEND_OUTPUT, t) for t in outputs]
            self._write(setting, trace)

    def _trace(self, job: Job, parent_id: int) -> Trace:
        trace = Trace(next(self._ids), job.model, job.version, job.request.id, parent_id, job.rows, stamps_of(job))
        trace.steps = [self._trace(step, trace.id) for step in job.steps]
        return trace

    def _refused(self, request: Request, setting: TraceSetting | None, start_ns: int, error: ServeError) -> None:
        if self._logs.setting.verbose_level:
            log.info(
                "request refused: %s",
                error.message,
                extra={"fields": {"request_id": request.id, "model": request.model, "error": error.message}},
            )
        if setting is not None:
            stamps = [("REQUEST_START", start_ns), ("REQUEST_END", now_ns())]
            trace = Trace(next(self._ids), request.model, max(request.version, 0), request.id, stamps=stamps)
            trace.error, trace.traceparent, trace.tracestate = error.message, request.traceparent, request.tracestate
            self._write(setting, trace)


def log_request(job: Job, error: str) -> None:
    """One line, with the request's id, and in JSON with a field for each time."""
    total_us = (job.ended_ns - job.arrived_ns) // 1000
    started_ns = job.started_ns or job.ended_ns
    fields = {
        "request_id": job.request.id,
        "model": job.model,
        "version": job.version,
        "rows": job.rows,
        "queue_us": (started_ns - job.arrived_ns) // 1000,
        "compute_us": (job.ended_ns - started_ns) // 1000,
        "total_us": total_us,
    }
    if job.request.traceparent:
        fields["traceparent"] = job.request.traceparent
    if error:
        fields["error"] = error
    log.info(
        "[request id: %s] %s version %d %s in %d us",
        job.request.id or "<id_unknown>",
        job.model,
        job.version,
        f"failed: {error}" if error else "answered",
        total_us,
        extra={"fields": fields},
    )
