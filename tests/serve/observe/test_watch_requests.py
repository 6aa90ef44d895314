"""Which requests are traced, what a trace holds, and that nothing is watched while nothing is asked for."""

import asyncio
import json
import logging

import numpy as np
import pytest

from burnish.serve.job import Job
from burnish.serve.observe.log_settings import LogSetting, LogSettings
from burnish.serve.observe.trace_settings import OPENTELEMETRY, TENSORS, TIMESTAMPS, TraceSetting, TraceSettings
from burnish.serve.observe.watch_requests import WatchRequests
from burnish.serve.request import Request, Tensor
from burnish.serve.status import ServeError, invalid


class Server:
    """Answers at once, or a turn of the loop later."""

    def __init__(self, setting=None, verbose=0, is_late=False, error=None):
        self.watch, self.traces, self.is_late, self.error = None, [], is_late, error
        self.settings = TraceSettings(setting)
        self.logs = LogSettings(LogSetting(verbose_level=verbose))
        self.requests = WatchRequests(self.settings, self.logs, lambda s, t: self.traces.append((s, t)), self.install)

    def install(self, watch):
        self.watch = watch

    def submit(self, request, reply):
        if self.error == "refused":
            raise invalid("it does not fit")
        job = Job(request, request.model, 3, 1, reply)
        job.started_ns, job.inputs_ready_ns, job.outputs_ready_ns = (job.arrived_ns + n for n in (10, 20, 30))

        def answer():
            if self.error:
                job.fail(invalid(self.error))
            else:
                job.answer(list(request.inputs.values()))

        if self.is_late:
            asyncio.get_running_loop().call_soon(answer)
        else:
            answer()
        return job

    def infer(self, count=1, model="m", **more):
        replies = []

        async def go():
            for i in range(count):
                request = Request(model, {"x": Tensor("x", "FP32", np.arange(3.0))}, id=f"r{i}", **more)
                if self.watch is None:
                    self.submit(request, replies.append)
                else:
                    self.watch(self.submit, request, replies.append)
            await asyncio.sleep(0.01)

        asyncio.run(go())
        return replies


def on(rate=1, count=-1, levels=(TIMESTAMPS,), **more):
    return TraceSetting(levels=levels, rate=rate, count=count, file="f", **more)


def test_nothing_is_watched_until_a_setting_asks_for_it_and_after_it_no_longer_does():
    server = Server(TraceSetting(file="f", rate=1))
    assert server.watch is None
    server.settings.update("m", {"levels": (TIMESTAMPS,)})
    assert server.watch is not None
    server.settings.update("m", {"levels": None})
    assert server.watch is None
    server.logs.setting = LogSetting(verbose_level=1)
    assert server.watch is not None
    server.logs.setting = LogSetting()
    assert server.watch is None


@pytest.mark.parametrize("is_late", [False, True])
def test_one_of_so_many_requests_is_traced_and_all_are_answered(is_late):
    server = Server(on(rate=3), is_late=is_late)
    assert len(server.infer(10)) == 10
    assert [t.request_id for _, t in server.traces] == ["r2", "r5", "r8"]
    _, trace = server.traces[0]
    assert (trace.model, trace.version, trace.error) == ("m", 3, "")
    assert [name for name, _ in trace.stamps] == [
        "REQUEST_START", "QUEUE_START", "COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END",
        "REQUEST_END",
    ]  # fmt: skip
    assert trace.stamp("COMPUTE_INPUT_END") - trace.stamp("QUEUE_START") == 20
    assert trace.stamp("REQUEST_END") >= trace.stamp("REQUEST_START")


def test_after_the_count_is_spent_nothing_is_watched_and_settings_show_it():
    server = Server(on(count=2))
    server.infer(5)
    assert len(server.traces) == 2
    assert server.settings.of().count == 0
    assert server.watch is None


def test_a_model_of_its_own_setting_spends_its_own_count():
    server = Server(on(count=-1))
    server.settings.update("m", {"count": 1})
    server.infer(3)
    server.infer(2, model="n")
    assert [t.model for _, t in server.traces] == ["m", "n", "n"]
    assert (server.settings.of("m").count, server.settings.of().count) == (0, -1)


def test_tensors_are_copies_of_what_went_in_and_came_out():
    server = Server(on(levels=(TIMESTAMPS, TENSORS)))
    server.infer()
    ((_, trace),) = server.traces
    assert [(a, t.name, t.data.tolist()) for a, t in trace.tensors] == [
        ("TENSOR_QUEUE_INPUT", "x", [0, 1, 2]), ("TENSOR_BACKEND_OUTPUT", "x", [0, 1, 2]),
    ]  # fmt: skip


def test_failed_and_refused_requests_are_traced_with_their_error():
    server = Server(on(), error="the model gave up")
    server.infer()
    refusing = Server(on(), error="refused")
    with pytest.raises(ServeError, match="it does not fit"):
        refusing.infer()
    assert [t.error for _, t in server.traces + refusing.traces] == ["the model gave up", "it does not fit"]


def test_in_opentelemetry_mode_a_request_of_a_traced_client_is_always_traced():
    server = Server(TraceSetting(levels=(TIMESTAMPS,), rate=0, mode=OPENTELEMETRY))
    server.infer(2)
    server.infer(2, traceparent="00-1-2-01")
    assert [t.traceparent for _, t in server.traces] == ["00-1-2-01"] * 2


def test_steps_of_an_ensemble_are_traces_below_its_own():
    server = Server(on())
    step = Job(Request("inner", {}, id="r"), "inner", 1, 1, lambda response: None)
    step.ended_ns = step.arrived_ns + 5
    submit = server.submit

    def composed(request, reply):
        job = submit(request, reply)
        job.steps = [step]
        return job

    server.submit = composed
    server.infer()
    ((_, trace),) = server.traces
    assert [(t.model, t.parent_id) for t in trace.all()] == [("m", 0), ("inner", trace.id)]


def test_verbose_logging_tells_each_request_with_its_id_and_times(caplog):
    caplog.set_level(logging.INFO, "burnish.serve.requests")
    logger = logging.getLogger("burnish")
    logger.propagate = True
    Server(verbose=1).infer(traceparent="00-a-b-01")
    Server(verbose=1, error="the model gave up").infer()
    with pytest.raises(ServeError):
        Server(verbose=1, error="refused").infer()
    good, bad, refused = (r.fields for r in caplog.records)
    assert (good["request_id"], good["model"], good["version"], good["traceparent"]) == ("r0", "m", 3, "00-a-b-01")
    assert good["total_us"] >= good["queue_us"] == 0
    assert (bad["error"], refused["error"]) == ("the model gave up", "it does not fit")
    assert "[request id: r0] m version 3 answered" in caplog.messages[0]
    json.dumps(good)
