"""Spans as a collector gets them over OTLP; the collector is a small HTTP server."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from burnish.serve.observe.trace import Trace
from burnish.serve.observe.trace_settings import OPENTELEMETRY, OpenTelemetryOptions, TraceSetting
from burnish.serve.observe.write_traces import WriteTraces

SETTING = TraceSetting(levels=("TIMESTAMPS",), mode=OPENTELEMETRY)
STAMPS = [
    ("REQUEST_START", 1_000), ("QUEUE_START", 1_000), ("COMPUTE_START", 3_000), ("COMPUTE_INPUT_END", 4_000),
    ("COMPUTE_OUTPUT_START", 8_000), ("COMPUTE_END", 9_000), ("REQUEST_END", 9_500),
]  # fmt: skip
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector():
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", got
    server.shutdown()
    server.server_close()


def exported(collector, trace, **options):
    url, got = collector
    writer = WriteTraces(OpenTelemetryOptions(url=url, **options))
    writer.write(SETTING, trace)
    writer.close(20)
    ((path, message),) = got
    assert path == "/v1/traces"
    (resource,) = message.resource_spans
    return resource.resource, {s.name: s for scope in resource.scope_spans for s in scope.spans}


def test_a_request_is_a_span_with_its_model_queue_and_computing_below_it(collector):
    trace = Trace(4, "m", 2, "r4", stamps=STAMPS, traceparent=PARENT, tracestate="vendor=1")
    resource, spans = exported(collector, trace, resource={"service.name": "mine"})
    assert ("service.name", "mine") in [(a.key, a.value.string_value) for a in resource.attributes]
    request, model, queue, compute = (spans[n] for n in ("InferRequest", "m", "queue", "compute"))
    assert request.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    assert (model.parent_span_id, queue.parent_span_id, compute.parent_span_id) == (
        request.span_id, model.span_id, model.span_id,
    )  # fmt: skip
    durations = [s.end_time_unix_nano - s.start_time_unix_nano for s in (request, model, queue, compute)]
    assert durations == [8_500, 8_500, 2_000, 6_000]
    assert [e.name for e in model.events] == [name for name, _ in STAMPS]
    attributes = {a.key: a.value.string_value or a.value.int_value for a in request.attributes}
    assert attributes["triton.model_name"] == "m"
    assert attributes["triton.model_version"] == 2
    assert attributes["triton.trace_request_id"] == "r4"


def test_an_ensembles_steps_are_below_its_span_and_a_failure_is_a_status(collector):
    step = Trace(2, "inner", 1, "r", parent_id=1, stamps=STAMPS)
    _, spans = exported(collector, Trace(1, "m", 1, "r", stamps=STAMPS, steps=[step], error="it gave up"))
    assert spans["inner"].parent_span_id == spans["m"].span_id
    assert (spans["InferRequest"].status.code, spans["InferRequest"].status.message) == (2, "it gave up")
    assert spans["InferRequest"].parent_span_id == b""


def test_the_sdk_is_imported_only_when_a_trace_goes_to_it():
    code = "import sys, burnish.serve.app.assemble; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
