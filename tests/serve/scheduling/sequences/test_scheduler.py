import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.serve.status import Code, ServeError
from tests.serve.scheduling.fakes import MS, US, submit
from tests.serve.scheduling.sequences.bench import Bench

STRATEGIES = ("direct { }", "oldest { max_candidate_sequences: 2 }")


@pytest.mark.parametrize("key", [0, ""])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_request_without_an_id_is_refused(strategy, key):
    with pytest.raises(ServeError) as error:
        Bench(strategy).submit("a", key, "s")
    expected = "inference request to model 'm' must specify a non-zero or non-empty correlation ID"
    assert (error.value.code, error.value.message) == (Code.INVALID_ARG, expected)
    with pytest.raises(ServeError):
        submit(Bench(strategy).scheduler)


def test_a_request_of_two_rows_is_refused():
    with pytest.raises(ServeError) as error:
        Bench().submit("a", 5, "s", rows=2)
    assert error.value.message == (
        "inference request to model 'm' must specify batch-size 1 due to requirements of sequence batcher"
    )


def test_the_first_request_has_the_start_flag():
    bench = Bench()
    message = (
        "inference request for sequence 7 to model 'm' must specify the START flag on the first request of the sequence"
    )
    with pytest.raises(ServeError) as error:
        bench.submit("a", 7)
    assert (error.value.code, error.value.message) == (Code.INVALID_ARG, message)
    bench.submit("b", 7, "se")
    with pytest.raises(ServeError):
        bench.submit("c", 7)


NARROW = 'control_input { name: "ID" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT32 } }'


def test_a_text_for_a_model_that_takes_small_numbers_is_refused():
    with pytest.raises(ServeError) as error:
        Bench(controls=NARROW).submit("a", "key", "s")
    assert error.value.message == (
        "[request id: a] sequence batching control 'ID' data-type is 'BYTES', but model 'm' expects 'UINT32'"
    )


def test_the_type_of_an_id_is_looked_at_before_anything_else_of_a_sequence():
    with pytest.raises(ServeError, match="data-type is 'BYTES'"):
        Bench(controls=NARROW).submit("a", "key", rows=2)
    with pytest.raises(ServeError, match="must specify a non-zero or non-empty correlation ID"):
        Bench().submit("a", "", "s")


def test_a_number_and_the_text_of_it_are_two_sequences():
    bench = Bench(STRATEGIES[1], controls="")
    bench.submit("a", 5, "s")
    bench.submit("b", "5", "s")
    with pytest.raises(ServeError):
        bench.submit("c", "6")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_idle_sequence_ends_and_its_slot_goes_to_the_next(strategy):
    bench = Bench(strategy, more="max_sequence_idle_microseconds: 200000")
    bench.submit("a", 1, "s")
    bench.submit("b", 2, "s")
    _, answers = bench.submit("waits", 3, "s")
    bench.end_all()
    bench.clock.advance(150 * MS)
    bench.submit("a2", 1)
    bench.end_all()
    assert answers == []
    bench.clock.advance(50 * MS)  # sequence 2 is over
    bench.end_all()
    assert len(answers) == 1
    bench.submit("a3", 1)
    with pytest.raises(ServeError, match="START flag"):
        bench.submit("b2", 2)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_waits_of_an_idle_sequence_still_runs(strategy):
    bench = Bench(strategy, rows=1, more="max_sequence_idle_microseconds: 1000")
    answers = [bench.submit(n, 1, "s" if n == 0 else "")[1] for n in range(3)]
    bench.clock.advance(5 * MS)
    bench.end_all()
    assert [len(a) for a in answers] == [1, 1, 1]
    bench.submit("new", 2, "s")
    assert bench.slots == ["new"]


def test_a_sequence_in_the_backlog_is_not_idle():
    bench = Bench(rows=1, more="max_sequence_idle_microseconds: 1000")
    bench.submit("a", 1, "s")
    _, answers = bench.submit("b", 2, "s")
    for _ in range(5):
        bench.clock.advance(MS * 9 // 10)
        bench.submit("", 1)
    bench.clock.advance(MS)
    bench.end_all()
    assert len(answers) == 1 and answers[0].error is None
    bench.submit("c", 2)


def test_a_timeout_holds_for_the_wait_for_a_slot_and_fails_all_that_waits_of_the_sequence():
    bench = Bench(rows=1)
    bench.submit("a", 1, "s")
    _, first = bench.submit("b", 2, "s", timeout_us=500)
    _, second = bench.submit("c", 2)
    bench.submit("d", 1, timeout_us=1)  # has a slot: no timeout
    bench.clock.advance(500 * US)
    for (answer,) in (first, second):
        assert answer.error.code is Code.UNAVAILABLE
        assert answer.error.message == "timeout of the corresponding sequence has been expired"
    with pytest.raises(ServeError, match="START flag"):
        bench.submit("e", 2)
    bench.end_all()
    assert bench.scheduler.pending == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_cancelling_a_waiting_request_ends_its_sequence(strategy):
    bench = Bench(strategy, rows=1)
    _, ran = bench.submit("a", 1, "s")
    waits, cancelled = bench.submit("b", 1)
    _, behind = bench.submit("c", 1)
    waits.cancel()
    assert [a[0].error.code for a in (cancelled, behind)] == [Code.CANCELLED] * 2
    with pytest.raises(ServeError, match="START flag"):
        bench.submit("d", 1)
    bench.end_all()
    assert ran[0].error is None
    bench.submit("e", 2, "s")
    assert bench.instance.running


def test_cancelling_in_the_backlog_leaves_the_others():
    bench = Bench(rows=1)
    bench.submit("a", 1, "se")
    waits, _ = bench.submit("b", 2, "s")
    bench.submit("c", 3, "s")
    waits.cancel()
    bench.instance.end()
    assert bench.slots == ["c"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_new_sequence_with_the_id_of_one_that_still_ends_comes_after_it(strategy):
    bench = Bench(strategy, rows=2)
    bench.submit("runs", 9, "s")
    bench.submit("old end", 1, "se")
    bench.submit("new start", 1, "s")
    bench.submit("new", 1)
    bench.end_all()
    ids = [[name for name in batch if name] for batch in bench.instance.ids]
    assert ids == [["runs"], ["old end"], ["new start"], ["new"]]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_close_fails_what_waits(strategy):
    bench = Bench(strategy, rows=1)
    _, runs = bench.submit("a", 1, "s")
    _, waits = bench.submit("b", 1)
    _, backlog = bench.submit("c", 2, "s")
    bench.scheduler.close()
    assert [a[0].error.code for a in (waits, backlog)] == [Code.UNAVAILABLE] * 2
    with pytest.raises(ServeError):
        bench.submit("d", 4, "s")
    bench.end_all()
    assert runs[0].error is None
    assert (bench.clock.alarms, bench.scheduler.pending) == (0, 0)


ACTIONS = st.one_of(
    st.tuples(
        st.just("submit"), st.integers(1, 5), st.sampled_from(["s", "", "", "e", "se"]), st.sampled_from([0, 900])
    ),
    st.tuples(st.just("end"), st.integers(0, 1)),
    st.tuples(st.just("cancel"), st.integers(0, 60)),
    st.tuples(st.just("advance"), st.integers(1, 1500)),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STRATEGIES), st.integers(1, 3), st.integers(1, 2), st.lists(ACTIONS, max_size=60))
def test_nothing_is_lost_or_answered_twice_and_sequences_keep_their_order(strategy, rows, count, actions):
    bench = Bench(strategy, rows, count, more="max_sequence_idle_microseconds: 2000")
    jobs = []
    for action, *values in actions:
        if action == "submit":
            key, flags, timeout_us = values
            try:
                jobs.append(bench.submit(len(jobs), key, flags, timeout_us=timeout_us))
            except ServeError as error:
                assert "START flag" in error.message and "s" not in flags
        elif action == "end" and values[0] < count and bench.instances[values[0]].running:
            bench.instances[values[0]].end()
        elif action == "cancel" and values[0] < len(jobs):
            jobs[values[0]][0].cancel()
        elif action == "advance":
            bench.clock.advance(values[0] * US)
    for _ in range(200):
        bench.end_all()
        bench.clock.advance(MS)
    assert bench.scheduler.pending == 0
    assert all(len(answers) == 1 for _, answers in jobs)
    batches = [batch for i in bench.instances for batch in i.batches]
    ran = [[j for j in batch if j.request.id] for batch in batches]
    for batch, real in zip(batches, ran):
        assert len(batch) <= rows and real
        assert len({j.request.sequence.id for j in real}) == len(real)
    flat = [j for batch in ran for j in batch]
    assert len(flat) == len(set(flat)) and set(flat) == {j for j, a in jobs if a[0].error is None}
    starts = {job: number for i in bench.instances for job, number in i.starts.items()}
    for key in range(1, 6):
        ids = [int(j.request.id) for j in sorted(flat, key=starts.__getitem__) if j.request.sequence.id == key]
        assert ids == sorted(ids)
