import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.serve.scheduling.batcher import batch_rule
from burnish.serve.scheduling.make import make_scheduler
from burnish.serve.status import Code, ServeError
from tests.serve.scheduling.fakes import MS, US, FakeClock, FakeInstance, Seen, config, make_job, submit

FIXED = 'name: "m" input { name: "IN" data_type: TYPE_FP32 dims: 2 } max_batch_size: 8 '
FREE = 'name: "m" input { name: "IN" data_type: TYPE_FP32 dims: -1 } max_batch_size: 8 '


class Bench:
    def __init__(self, batching="", head=FIXED, instances=1, in_place=False, **options):
        self.clock, self.seen = FakeClock(), Seen()
        self.instances = [FakeInstance(f"i{n}", in_place) for n in range(instances)]
        self.instance = self.instances[0]
        made = config(head + (f"dynamic_batching {{ {batching} }}" if batching is not None else ""))
        self.scheduler = make_scheduler(made, self.instances, self.clock, observer=self.seen, **options)

    def submit(self, id="", **fields):
        return submit(self.scheduler, id, **fields)


def test_without_batching_each_request_runs_alone_in_the_order_in_which_it_came():
    bench = Bench(None)
    for n in range(3):
        bench.submit(n, rows=2)
    assert (bench.instance.ids, bench.scheduler.pending) == ([["0"]], 2)
    bench.instance.end()
    bench.instance.end()
    bench.instance.end()
    assert bench.instance.ids == [["0"], ["1"], ["2"]]


def test_the_instance_that_was_idle_longest_runs_next():
    bench = Bench(None, instances=3)
    bench.submit("a")
    bench.submit("b")
    bench.instances[0].end()
    bench.submit("c")
    bench.instances[1].end()
    bench.submit("d")
    assert [i.ids for i in bench.instances] == [[["a"], ["d"]], [["b"]], [["c"]]]


def test_a_run_that_ends_in_place_does_not_nest_however_long_the_queue():
    bench = Bench(None)
    answers = [bench.submit(n)[1] for n in range(3000)]
    bench.instance.in_place = True
    bench.instance.end()
    assert bench.scheduler.pending == 0
    assert all(len(a) == 1 for a in answers)


def test_what_waits_while_an_instance_runs_goes_as_one_batch():
    bench = Bench()
    for n in range(6):
        bench.submit(n)
    bench.instance.end()
    assert bench.instance.ids == [["0"], ["1", "2", "3", "4", "5"]]


def test_a_batch_never_has_more_rows_than_the_limit():
    bench = Bench()
    for rows in (1, 5, 3, 3, 8, 2):
        bench.submit(rows=rows)
    for _ in range(4):
        bench.instance.end()
    assert bench.instance.rows == [1, 8, 3, 8, 2]


def test_one_request_alone_waits_for_the_delay():
    bench = Bench("preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100000")
    bench.submit("a")
    bench.clock.advance(99 * MS)
    assert bench.instance.batches == []
    bench.submit("b")
    bench.clock.advance(1 * MS)
    assert bench.instance.ids == [["a", "b"]]


def test_a_preferred_size_goes_at_once_and_what_is_beyond_it_waits():
    bench = Bench("preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100000", instances=2)
    for n in range(3):
        bench.submit(n)
    bench.submit("last", rows=1)
    bench.submit("next", rows=1)
    assert bench.instances[0].rows == [4]
    assert bench.instances[1].rows == []
    bench.clock.advance(100 * MS)
    assert bench.instances[1].ids == [["next"]]


def test_the_largest_preferred_size_that_waits_is_taken():
    bench = Bench("preferred_batch_size: [ 2, 4 ]")
    for _ in range(8):
        bench.submit()
    bench.instance.end()
    bench.instance.end()
    assert bench.instance.rows == [1, 4, 2]


def test_a_late_batch_takes_all_that_fits_not_only_a_preferred_size():
    bench = Bench("preferred_batch_size: [ 2 ] max_queue_delay_microseconds: 1000")
    for _ in range(2):
        bench.submit()
    for _ in range(3):
        bench.submit()
    bench.clock.advance(2 * MS)
    bench.instance.end()
    assert bench.instance.rows == [2, 3]


def test_what_passes_the_largest_preferred_size_sends_what_is_before_it():
    bench = Bench("preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100000")
    bench.submit("a", rows=3)
    assert bench.instance.rows == []
    bench.submit("b", rows=2)
    assert bench.instance.ids == [["a"]]


def test_without_preferred_sizes_the_limit_is_the_preferred_size():
    bench = Bench("max_queue_delay_microseconds: 100000")
    for _ in range(7):
        bench.submit()
    assert bench.instance.rows == []
    bench.submit()
    assert bench.instance.rows == [8]


def test_another_shape_sends_what_is_before_it():
    bench = Bench("max_queue_delay_microseconds: 100000", head=FREE)
    bench.submit("a", shape=(3,))
    bench.submit("b", shape=(3,))
    bench.submit("c", shape=(4,))
    assert bench.instance.ids == [["a", "b"]]
    bench.instance.end()
    assert bench.instance.ids == [["a", "b"]]
    bench.clock.advance(100 * MS)
    assert bench.instance.ids == [["a", "b"], ["c"]]


def test_a_model_without_a_batch_dimension_runs_one_request_at_a_time():
    bench = Bench(head=FIXED.replace("8", "0"))
    for n in range(3):
        bench.submit(n)
    bench.instance.end()
    assert bench.instance.ids == [["0"], ["1"]]


def test_a_queue_timeout_is_answered_when_it_is_over_while_the_instance_is_busy_or_waited_for():
    policy = "default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 20000 }"
    bench = Bench("preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 300000 " + policy)
    _, answers = bench.submit("a")
    bench.clock.advance(20 * MS - 1)
    assert answers == []
    bench.clock.advance(1)
    (response,) = answers
    assert (response.error.code, response.error.message) == (Code.UNAVAILABLE, "Request timeout expired")
    assert bench.seen.events == [("refused", "a", "REJECTED")]
    assert (bench.instance.batches, bench.scheduler.pending, bench.clock.alarms) == ([], 0, 0)


def test_a_delayed_job_runs_after_its_time():
    policy = "default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 1000 }"
    bench = Bench("preferred_batch_size: 1 " + policy)
    bench.submit("runs")
    bench.submit("late")
    bench.clock.advance(2 * MS)
    bench.submit("in time")
    bench.instance.end()
    bench.instance.end()
    assert bench.instance.ids == [["runs"], ["in time"], ["late"]]


def test_the_first_level_goes_first():
    bench = Bench("preferred_batch_size: 1 priority_levels: 2 default_priority_level: 2")
    bench.submit("runs")
    bench.submit("low")
    bench.submit("high", priority=1)
    bench.instance.end()
    bench.instance.end()
    assert bench.instance.ids == [["runs"], ["high"], ["low"]]


def test_a_full_queue_refuses_and_counts():
    bench = Bench("default_queue_policy { max_queue_size: 1 }")
    bench.submit("runs")
    bench.submit("waits")
    with pytest.raises(ServeError) as error:
        bench.submit("x")
    assert error.value.code is Code.UNAVAILABLE
    assert bench.seen.events == [("refused", "x", "REJECTED")]


def test_the_size_that_the_server_sets_holds_where_the_configuration_sets_none():
    for batching in (None, ""):
        bench = Bench(batching, max_queue_size=1)
        bench.submit()
        bench.submit()
        with pytest.raises(ServeError):
            bench.submit()


def test_a_cancelled_job_leaves_at_once_and_one_that_runs_does_not():
    bench = Bench()
    runs, _ = bench.submit("runs")
    waits, answers = bench.submit("waits")
    waits.cancel()
    assert answers[0].error.code is Code.CANCELLED
    assert (bench.scheduler.pending, bench.seen.events) == (0, [("refused", "waits", "CANCELED")])
    runs.cancel()
    bench.instance.end()
    assert bench.instance.ids == [["runs"]]


def test_a_cancelled_job_that_stood_before_a_batch_lets_it_go():
    bench = Bench("preferred_batch_size: 2 max_queue_delay_microseconds: 100000", head=FREE)
    other, _ = bench.submit("other", shape=(9,))
    bench.submit("a", shape=(3,))
    assert bench.instance.ids == [["other"]]
    other, _ = bench.submit("other2", shape=(9,))
    bench.submit("b", shape=(3,))
    bench.submit("c", shape=(3,))
    bench.instance.end()
    assert bench.instance.ids[1:] == [["a"]]
    other.cancel()
    bench.instance.end()
    assert bench.instance.ids[2:] == [["b", "c"]]


def test_close_fails_what_waits_and_takes_nothing_more():
    bench = Bench("max_queue_delay_microseconds: 1000")
    _, answers = bench.submit("a")
    bench.scheduler.close()
    assert answers[0].error.code is Code.UNAVAILABLE
    assert bench.clock.alarms == 0
    with pytest.raises(ServeError) as error:
        bench.submit("b")
    assert error.value.message.startswith("[request id: b] Server is stopping")


def test_what_runs_when_the_scheduler_is_closed_goes_on_to_its_end():
    bench = Bench()
    _, answers = bench.submit("a")
    bench.scheduler.close()
    bench.instance.end()
    assert answers[0].error is None


def test_a_job_that_arrives_from_an_answer_of_a_run_in_place_is_run_too():
    bench = Bench(None, in_place=True)
    later, answers = make_job("later")
    job, _ = make_job("first")
    job.on_end.append(lambda _: bench.scheduler.submit(later))
    bench.scheduler.submit(job)
    assert len(answers) == 1


def test_answers_keep_the_order_of_requests_if_that_is_asked_for():
    bench = Bench("preserve_ordering: true preferred_batch_size: 1", instances=2)
    told = []
    for n in range(3):
        job, _ = make_job(n)
        job.reply = lambda response: told.append(response.id)
        bench.scheduler.submit(job)
    bench.instances[1].end()
    assert told == []
    bench.instances[0].end()
    assert told == ["0", "1"]


def test_a_refused_job_leaves_no_gap_in_the_order():
    bench = Bench("preserve_ordering: true default_queue_policy { max_queue_size: 1 }")
    told = []
    for n in range(3):
        job, _ = make_job(n)
        job.reply = lambda response: told.append(response.id)
        try:
            bench.scheduler.submit(job)
        except ServeError:
            assert n == 2
    bench.instance.end()
    bench.instance.end()
    assert told == ["0", "1"]


def test_a_clock_that_jumps_expires_everything_and_goes_on():
    policy = "default_queue_policy { default_timeout_microseconds: 1000 }"
    bench = Bench("max_queue_delay_microseconds: 500 " + policy)
    _, answers = bench.submit("a")
    bench.clock.time_ns += 3600 * 1_000_000_000
    _, more = bench.submit("b")
    bench.clock.advance(0)
    assert answers[0].error.message == "Request timeout expired"
    bench.clock.advance(500 * US)
    bench.instance.end()
    assert more[0].error is None


def test_a_batch_rule_is_what_the_configuration_says():
    made = config(
        "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 2, 4 ] max_queue_delay_microseconds: 3 }"
    )
    rule = batch_rule(made, made.dynamic_batching)
    assert (rule.max_rows, rule.max_jobs, rule.preferred, rule.delay_ns) == (8, 0, {2, 4}, 3000)
    assert rule.shape_key is None


def test_without_a_batch_dimension_batches_have_one_job():
    made = config("dynamic_batching { preferred_batch_size: 0 }")
    rule = batch_rule(made, made.dynamic_batching)
    assert (rule.max_rows, rule.max_jobs, rule.preferred) == (1, 1, frozenset())


ACTIONS = st.one_of(
    st.tuples(st.just("submit"), st.integers(1, 8), st.integers(0, 4), st.integers(0, 3000), st.integers(1, 2)),
    st.tuples(st.just("end"), st.integers(0, 2)),
    st.tuples(st.just("cancel"), st.integers(0, 60)),
    st.tuples(st.just("advance"), st.integers(1, 2000)),
)
CONFIGS = st.sampled_from(
    [
        None,
        "",
        "preferred_batch_size: [ 4, 6 ] max_queue_delay_microseconds: 700",
        "max_queue_delay_microseconds: 300 default_queue_policy { default_timeout_microseconds: 900 "
        "allow_timeout_override: true max_queue_size: 5 }",
        "priority_levels: 3 default_priority_level: 2 default_queue_policy { default_timeout_microseconds: 400 "
        "timeout_action: DELAY } priority_queue_policy { key: 1 value { default_timeout_microseconds: 300 } }",
        "preserve_ordering: true preferred_batch_size: 3 max_queue_delay_microseconds: 100",
    ]
)


def check_nothing_waits_without_need(bench, batching):
    """While an instance is idle, no job waits longer than the delay, and fewer rows than the largest preferred size."""
    if bench.scheduler.pending and any(i.running is None for i in bench.instances):
        rule = config("dynamic_batching { " + (batching or "") + " }").dynamic_batching
        queue = getattr(bench.scheduler, "_inner", bench.scheduler)._queue
        came = [at for _, at in queue]
        assert bench.clock.time_ns - min(came) < rule.max_queue_delay_microseconds * US
        assert queue.rows < max(rule.preferred_batch_size, default=8)
        assert len({job.request.inputs["IN"].shape[1:] for job, _ in queue}) == 1


@settings(max_examples=150, deadline=None)
@given(CONFIGS, st.integers(1, 3), st.lists(ACTIONS, max_size=60))
def test_nothing_is_lost_or_answered_twice_and_batches_are_legal(batching, count, actions):
    bench = Bench(batching, head=FREE, instances=count)
    jobs = []
    for action, *values in actions:
        if action == "submit":
            rows, priority, timeout_us, width = values
            job, answers = make_job(len(jobs), rows=rows, priority=priority, timeout_us=timeout_us, shape=(width,))
            try:
                bench.scheduler.submit(job)
            except ServeError:
                assert "max_queue_size" in batching
                continue
            jobs.append((job, answers))
        elif action == "end" and values[0] < count and bench.instances[values[0]].running:
            bench.instances[values[0]].end()
        elif action == "cancel" and values[0] < len(jobs):
            jobs[values[0]][0].cancel()
        elif action == "advance":
            bench.clock.advance(values[0] * US)
        check_nothing_waits_without_need(bench, batching)
    while bench.scheduler.pending or any(i.running for i in bench.instances):
        bench.clock.advance(MS)
        for instance in bench.instances:
            if instance.running:
                instance.end()
    assert all(len(answers) == 1 for _, answers in jobs)
    ran = [job for i in bench.instances for batch in i.batches for job in batch]
    assert len(ran) == len(set(ran))
    for batch in (b for i in bench.instances for b in i.batches):
        assert sum(j.rows for j in batch) <= 8
        assert len({j.request.inputs["IN"].shape[1:] for j in batch}) == 1
        assert batching is not None or len(batch) == 1
        if batching is None or "priority" not in batching:
            assert [int(j.request.id) for j in batch] == sorted(int(j.request.id) for j in batch)
    assert {j for j, a in jobs if a[0].error is None} == set(ran)
