"""A trace as OpenTelemetry's spans: the request, below it each model, below that its queue and its computing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from burnish.serve.observe.trace import Trace
from burnish.serve.observe.trace_settings import OpenTelemetryOptions, TraceSetting

if TYPE_CHECKING:
    from opentelemetry.context import Context

_SERVICE = "triton-inference-server"


class SpanSink:
    """Lives on the thread that writes traces; the SDK exports on another one."""

    def __init__(self, options: OpenTelemetryOptions) -> None:
        resource = Resource.create({"service.name": _SERVICE, **options.resource})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=options.url)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter, options.bsp_max_queue_size, options.bsp_schedule_delay, options.bsp_max_export_batch_size
            )
        )
        self._tracer = self._provider.get_tracer("burnish.serve")
        self._parents = TraceContextTextMapPropagator()
        self._wall_ns = time.time_ns() - time.perf_counter_ns()  # stamps are of a clock that never jumps

    def write(self, setting: TraceSetting, trace: Trace) -> None:
        headers = {"traceparent": trace.traceparent, "tracestate": trace.tracestate}
        above = self._parents.extract({k: v for k, v in headers.items() if v})
        start, end = trace.stamp("REQUEST_START"), trace.stamp("REQUEST_END")
        if not start or not end:
            return
        span = self._tracer.start_span(
            "InferRequest", above, SpanKind.SERVER, _attributes(trace), start_time=self._wall_ns + start
        )
        if trace.error:
            span.set_status(Status(StatusCode.ERROR, trace.error))
        self._model(trace, set_span_in_context(span))
        span.end(self._wall_ns + end)

    def close(self) -> None:
        self._provider.shutdown()

    def _model(self, trace: Trace, above: Context) -> None:
        """The model's span, with its stamps as events; `queue` and `compute` below it; an ensemble's steps too."""
        start, end = trace.stamp("REQUEST_START"), trace.stamp("REQUEST_END")
        compute = trace.stamp("COMPUTE_START")
        model = self._tracer.start_span(
            trace.model, above, attributes=_attributes(trace), start_time=self._wall_ns + start
        )
        for name, ns in trace.stamps:
            model.add_event(name, {"triton.steady_timestamp_ns": ns}, self._wall_ns + ns)
        below = set_span_in_context(model)
        if compute:
            self._part("queue", below, start, compute)
            self._part("compute", below, compute, trace.stamp("COMPUTE_END"))
        for step in trace.steps:
            self._model(step, below)
        model.end(self._wall_ns + (end or start))

    def _part(self, name: str, above: Context, start_ns: int, end_ns: int) -> None:
        span = self._tracer.start_span(name, above, start_time=self._wall_ns + start_ns)
        span.end(self._wall_ns + max(start_ns, end_ns))


def _attributes(trace: Trace) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "triton.model_name": trace.model,
        "triton.model_version": trace.version,
        "triton.trace_request_id": trace.request_id,
        "triton.batch_rows": trace.rows,
    }
    if trace.parent_id:
        found["triton.trace_parent_id"] = trace.parent_id
    return found
