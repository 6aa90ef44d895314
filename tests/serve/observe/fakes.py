"""A server with models that nothing computes, for pages and metrics."""

from types import SimpleNamespace

from burnish.serve.observe.statistics import ModelStatistics
from tests.serve.scheduling.fakes import make_job

MS = 1_000_000


class FakeVersion:
    def __init__(self, name, number=1, has_cache=False):
        self.name, self.number = name, number
        self.config = SimpleNamespace(response_cache=SimpleNamespace(enable=has_cache))
        self.statistics = ModelStatistics()
        self.scheduler = SimpleNamespace(pending=0)
        self.in_flight = self.memory_bytes = 0

    def ran(self, rows=1, queue_ns=MS, input_ns=MS, infer_ns=MS, output_ns=MS, failure=None):
        job = finished_job(rows, queue_ns, input_ns, infer_ns, output_ns, failure)
        self.statistics.executed([job], job.ended_ns)
        return job


def finished_job(rows=1, queue_ns=MS, input_ns=MS, infer_ns=MS, output_ns=MS, failure=None, name="m"):
    job, _ = make_job(rows=rows)
    job.model = name
    job.arrived_ns = 10 * MS
    job.started_ns = job.arrived_ns + queue_ns
    job.inputs_ready_ns = job.started_ns + input_ns
    job.outputs_ready_ns = job.inputs_ready_ns + infer_ns
    job.ended_ns = job.outputs_ready_ns + output_ns
    job.failure = failure
    return job


def fake_server(*versions, unavailable=(), refused=()):
    """unavailable: (name, number, state, reason). refused: (name, reason)."""
    models = {}
    for v in versions:
        models.setdefault(v.name, {})[v.number] = SimpleNamespace(state="READY", reason="", version=v)
    for name, number, state, reason in unavailable:
        models.setdefault(name, {})[number] = SimpleNamespace(state=state, reason=reason, version=None)
    repository = SimpleNamespace(
        models={name: SimpleNamespace(versions=held) for name, held in models.items()},
        refused=dict(refused),
        served=lambda: list(versions),
    )
    return SimpleNamespace(name="burnish", version="1.2", repository=repository, is_ready=True)
