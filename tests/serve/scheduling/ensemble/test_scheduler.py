import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.scheduling.make import make_scheduler
from burnish.serve.status import Code, ServeError
from tests.serve.scheduling.ensemble.models import Bench, ensemble, step
from tests.serve.scheduling.fakes import FakeClock, config, make_job, tensor

TWO = (step("one", "A=X", "B=y"), step("two", "A=y", "B=Z"))


def same(arrays):
    return {"B": arrays["A"]}


def two_steps(limit=0, in_place=False, **options):
    model = {"outputs_of": same, "in_place": in_place}
    more = f"max_inflight_requests: {limit}" if limit else ""
    return Bench(ensemble(*TWO, more=more), {"one": dict(model), "two": dict(model)}, **options)


def test_composing_models_count_their_runs_and_the_ensemble_its_request():
    bench = two_steps(in_place=True)
    bench.submit("a")
    assert bench.seen.events == [("composed", "a", ["one", "two"])]
    assert bench.models["one"].seen.events == bench.models["two"].seen.events == [("executed", ["a"])]


def test_no_more_requests_than_the_limit_are_at_a_step():
    bench = two_steps(limit=2)
    for n in range(5):
        bench.submit(n)
    one, two = bench.models["one"], bench.models["two"]
    assert (len(one.requests), bench.scheduler.pending) == (2, 3)
    one.instance.end()
    assert [r.id for r in one.requests] == ["0", "1", "2"]
    one.instance.end()
    one.instance.end()  # step two is full now: its limit counts what waits in its own queue
    assert (len(one.requests), len(two.requests)) == (4, 2)
    two.instance.end()
    assert len(two.requests) == 3


def test_while_something_waits_between_steps_no_new_request_begins():
    bench = two_steps(limit=1)
    one = bench.models["one"]
    bench.submit("at step two")
    one.instance.end()
    bench.submit("between")
    one.instance.end()
    bench.submit("new")
    assert [r.id for r in one.requests] == ["at step two", "between"]
    bench.models["two"].instance.end()
    assert [r.id for r in one.requests] == ["at step two", "between", "new"]


def test_a_full_queue_refuses():
    bench = two_steps(limit=1, max_queue_size=1)
    bench.submit()
    bench.submit()
    with pytest.raises(ServeError) as error:
        bench.submit("x")
    assert error.value.code is Code.UNAVAILABLE
    assert bench.seen.events == [("refused", "x", "REJECTED")]


def test_a_cancelled_request_leaves_the_queue():
    bench = two_steps(limit=1)
    bench.submit()
    job, answers = bench.submit("waits")
    job.cancel()
    assert answers[0].error.code is Code.CANCELLED
    assert (bench.scheduler.pending, bench.seen.events) == (0, [("refused", "waits", "CANCELED")])


def test_close_fails_what_has_not_begun_and_what_has_goes_on():
    bench = two_steps(limit=1)
    _, runs = bench.submit()
    _, waits = bench.submit()
    bench.scheduler.close()
    assert waits[0].error.code is Code.UNAVAILABLE
    bench.models["one"].instance.end()
    bench.models["two"].instance.end()
    assert runs[0].error is None
    with pytest.raises(ServeError):
        bench.submit()


def test_a_long_queue_of_requests_that_run_in_place_does_not_nest():
    bench = two_steps(limit=1)
    answers = [bench.submit(n)[1] for n in range(2000)]
    for model in bench.models.values():
        model.instance.in_place = True
    bench.models["one"].instance.end()
    assert all(len(a) == 1 for a in answers)


def test_without_anyone_to_find_models_a_request_fails():
    scheduler = make_scheduler(config(ensemble(*TWO)), (), FakeClock())
    job, answers = make_job(inputs={"X": tensor("X", np.zeros((1, 2), np.float32))})
    scheduler.submit(job)
    assert answers[0].error.code is Code.NOT_FOUND


def test_its_statistics_are_those_that_a_real_server_showed():
    stats = ModelStatistics()
    bench = two_steps(in_place=True)
    bench.scheduler._observer = stats
    bench.submit(rows=2, arrays={"X": np.zeros((2, 2), np.float32)})
    shown = stats.as_json("pipeline", 1)
    assert (shown["inference_count"], shown["execution_count"]) == (2, 1)
    counts = {name: entry["count"] for name, entry in shown["inference_stats"].items()}
    assert counts == {"success": 1, "fail": 0, "queue": 1, "compute_input": 1, "compute_infer": 1, "compute_output": 1,
                      "cache_hit": 0, "cache_miss": 0}  # fmt: skip
    assert [b["batch_size"] for b in shown["batch_stats"]] == [2]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2), st.lists(st.sampled_from(["submit", "one", "two", "cancel", "fail"]), max_size=40))
def test_nothing_is_lost_or_answered_twice_and_no_step_has_more_than_its_limit(limit, actions):
    bench = two_steps(limit=limit)
    jobs = []
    for n, action in enumerate(actions):
        if action == "submit":
            jobs.append(bench.submit(n))
        elif action == "cancel" and jobs:
            jobs[n % len(jobs)][0].cancel()
        elif action in bench.models and bench.models[action].instance.running:
            bench.models[action].instance.end()
        elif action == "fail":
            model = bench.models["two"]
            model.error = None if model.error else ServeError(Code.INTERNAL, "no")
        if limit:
            for model in bench.models.values():
                assert model.scheduler.pending + bool(model.instance.running) <= limit
    for _ in range(3 * len(jobs) + 3):
        for model in bench.models.values():
            if model.instance.running:
                model.instance.end()
    assert all(len(answers) == 1 and answers[0].is_final for _, answers in jobs)
    assert bench.scheduler.pending == 0 and bench.scheduler._busy == [0, 0]
