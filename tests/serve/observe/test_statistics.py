from google.protobuf import json_format

from burnish.serve.job import Failure
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.proto.grpc_service_pb2 import ModelStatistics as Message
from burnish.serve.scheduling.make import make_scheduler
from burnish.serve.scheduling.observer import Observer
from burnish.serve.status import Code, ServeError, invalid
from tests.serve.scheduling.fakes import FakeClock, FakeInstance, config, make_job


def ran(rows=1, start=10, inputs=13, outputs=20, end=30, failure=None):
    job, _ = make_job(rows=rows)
    job.arrived_ns, job.started_ns, job.inputs_ready_ns, job.outputs_ready_ns, job.ended_ns = (
        1,
        start,
        inputs,
        outputs,
        end,
    )
    job.failure = failure
    return job


def test_a_batch_is_one_execution_and_each_job_a_success():
    stats: Observer = ModelStatistics()
    stats.executed([ran(2), ran(1)], 32)
    shown = stats.as_json("m", 3)
    assert (shown["name"], shown["version"], shown["inference_count"], shown["execution_count"]) == ("m", "3", 3, 1)
    assert shown["last_inference"] > 1_700_000_000_000
    assert shown["inference_stats"] == {
        "success": {"count": 2, "ns": 58},
        "fail": {"count": 0, "ns": 0},
        "queue": {"count": 2, "ns": 18},
        "compute_input": {"count": 2, "ns": 6},
        "compute_infer": {"count": 2, "ns": 14},
        "compute_output": {"count": 2, "ns": 24},
        "cache_hit": {"count": 0, "ns": 0},
        "cache_miss": {"count": 0, "ns": 0},
    }
    assert shown["batch_stats"] == [
        {
            "batch_size": 3,
            "compute_input": {"count": 1, "ns": 3},
            "compute_infer": {"count": 1, "ns": 7},
            "compute_output": {"count": 1, "ns": 12},
        }
    ]


def test_a_failed_job_of_a_batch_is_no_inference_and_the_batch_still_an_execution():
    stats = ModelStatistics()
    stats.executed([ran(), ran(failure=Failure.BACKEND)], 32)
    shown = stats.as_json("m", 1)
    assert (shown["inference_count"], shown["execution_count"]) == (1, 1)
    assert shown["inference_stats"]["fail"] == {"count": 1, "ns": 29}
    assert stats.failures[Failure.BACKEND] == 1


def test_an_error_that_is_the_models_own_answer_counts_as_success():
    stats = ModelStatistics()
    for failure, expected in ((None, 1), (Failure.BACKEND, 1)):
        job, _ = make_job()
        job.fail(ServeError(Code.NOT_FOUND, "said on purpose"), failure=failure)
        job.started_ns = job.arrived_ns
        stats.executed([job], job.ended_ns)
        assert stats.successes == expected


def test_a_job_that_fails_before_the_backend_has_its_times_counts_no_negative_ones():
    stats = ModelStatistics()
    job = ran(inputs=0, outputs=0, failure=None)
    stats.executed([job], 30)
    assert (stats.input_ns, stats.infer_ns, stats.output_ns) == (0, 20, 0)


def test_a_cache_hit_is_a_success_and_a_queue_entry_but_no_inference():
    stats = ModelStatistics()
    stats.executed([ran()], 32)
    stats.cache_missed(ran(), 5)
    stats.cache_hit(ran(), 4)
    stats.cache_hit(ran(), 4)
    shown = stats.as_json("m", 1)
    assert (shown["inference_count"], shown["execution_count"]) == (1, 1)
    counts = {name: entry["count"] for name, entry in shown["inference_stats"].items()}
    assert counts == {"success": 3, "fail": 0, "queue": 3, "compute_input": 1, "compute_infer": 1, "compute_output": 1,
                      "cache_hit": 2, "cache_miss": 1}  # fmt: skip


def test_an_ensemble_counts_once_with_the_times_of_its_steps():
    stats = ModelStatistics()
    stats.composed(ran(2), [ran(2), ran(2)])
    shown = stats.as_json("e", 1)
    assert (shown["inference_count"], shown["execution_count"]) == (2, 1)
    assert shown["inference_stats"]["success"]["count"] == 1
    assert shown["inference_stats"]["compute_infer"] == {"count": 1, "ns": 14}
    assert shown["batch_stats"][0]["batch_size"] == 2
    stats.composed(ran(failure=Failure.OTHER), [])
    assert stats.failures[Failure.OTHER] == 1


def test_its_json_is_the_message_of_the_protocol():
    stats = ModelStatistics()
    stats.executed([ran()], 32)
    message = json_format.ParseDict(stats.as_json("m", 1), Message())
    assert (message.inference_count, message.inference_stats.success.ns) == (1, 29)
    assert message.batch_stats[0].compute_infer.count == 1


def test_a_scheduler_and_an_instance_fill_it():
    clock, stats = FakeClock(), ModelStatistics()
    instance = FakeInstance(
        in_place=True, clock=clock, error_of=lambda j: invalid("no") if j.request.id == "b" else None
    )
    scheduler = make_scheduler(config("max_batch_size: 2"), [instance], clock, observer=stats)
    for name in "abc":
        scheduler.submit(make_job(name)[0])
    assert (stats.inferences, stats.executions, stats.failures[Failure.BACKEND]) == (2, 3, 1)
