import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.serve.backends.python.instance import PythonInstance
from burnish.serve.scheduling.make import make_scheduler
from burnish.serve.scheduling.turns import GLOBAL, Needs, SharedTurns
from burnish.serve.status import Code, ServeError
from tests.serve.scheduling.fakes import MS, FakeClock, FakeInstance, config, make_job

SECOND = 1000 * MS


class Timed(FakeInstance):
    """Ends by itself after a time."""

    def __init__(self, name, clock, run_ns):
        super().__init__(name, clock=clock)
        self.run_ns = run_ns

    def run(self, jobs, done):
        super().run(jobs, done)
        self._clock.call_at(self._clock.now_ns() + self.run_ns, self.end)


class Model:
    def __init__(self, shared, name, instances=1, run_ns=10 * MS, share=1.0, needs=None):
        clock = shared._clock
        self.clock, self.waits = clock, []
        self.instances = [Timed(f"{name}{n}", clock, run_ns) for n in range(instances)]
        self.turns = shared.join({i.name: needs for i in self.instances} if needs else None, share)
        made = config(f'name: "{name}" max_batch_size: 1 instance_group {{ count: {instances} }}')
        self.scheduler = make_scheduler(made, self.instances, clock, turns=self.turns)
        self.done = 0

    def submit(self, count=1):
        for _ in range(count):
            job, _ = make_job()
            start = self.clock.now_ns()
            job.on_end.append(lambda _, start=start: self._ended(start))
            self.scheduler.submit(job)

    def _ended(self, start):
        self.done += 1
        self.waits.append(self.clock.now_ns() - start)

    @property
    def running(self):
        return sum(i.running is not None for i in self.instances)


def test_no_more_batches_run_than_there_are_workers():
    shared = SharedTurns(FakeClock(), workers=2)
    model = Model(shared, "a", instances=4)
    model.submit(6)
    assert model.running == 2
    model.clock.advance(100 * MS)
    assert model.done == 6


def test_without_a_number_of_workers_every_instance_runs():
    model = Model(SharedTurns(FakeClock()), "a", instances=4)
    model.submit(6)
    assert model.running == 4


def apart(model, has_worker=False):
    for instance in model.instances:
        instance.has_worker = has_worker
    return model


def test_an_instance_that_needs_no_worker_takes_none_and_waits_for_none():
    shared = SharedTurns(FakeClock(), workers=1)
    own, threaded = apart(Model(shared, "own", instances=3)), Model(shared, "threaded")
    own.submit(3)
    threaded.submit(2)
    assert (own.running, threaded.running) == (3, 1)
    own.submit(5)
    own.clock.advance(15 * MS)
    assert (own.running, threaded.running) == (3, 1)
    own.clock.advance(100 * MS)
    assert (own.done, threaded.done, shared._held_workers) == (8, 2, 0)


def test_an_instance_may_need_a_worker_for_one_run_and_none_for_the_next():
    shared = SharedTurns(FakeClock(), workers=1)
    model, other = Model(shared, "model"), Model(shared, "other")
    model.submit(1)
    apart(model)  # as one that turned out to be short, while it runs
    model.clock.advance(10 * MS)
    other.submit(1)
    model.submit(1)
    assert (model.running, other.running) == (1, 1)
    apart(model, has_worker=True)
    model.clock.advance(10 * MS)
    assert (model.done, other.done, shared._held_workers) == (2, 1, 0)


def test_python_models_run_in_processes_of_their_own():
    assert PythonInstance.has_worker is False


def test_a_model_that_needs_no_worker_takes_no_share_from_others():
    shared = SharedTurns(FakeClock(), workers=4)
    own, threaded = apart(Model(shared, "own")), Model(shared, "threaded", instances=4)
    own.submit(1)
    threaded.submit(4)
    assert threaded.running == 4


def test_a_model_alone_has_all_workers_and_beside_a_busy_one_its_share():
    clock = FakeClock()
    shared = SharedTurns(clock, workers=4, active_ns=SECOND)
    a, b = Model(shared, "a", instances=4), Model(shared, "b")
    a.submit(20)
    assert a.running == 4
    clock.advance(10 * MS)
    b.submit(1)
    clock.advance(10 * MS)
    assert a.running == 2
    clock.advance(2 * SECOND)
    a.submit(20)
    assert a.running == 4


@pytest.mark.parametrize("share, expected", [(1.0, 4), (0.5, 4), (0.25, 2), (0.1, 1)])
def test_a_share_is_the_most_of_the_workers_that_a_model_holds_while_others_are_busy(share, expected):
    clock = FakeClock()
    shared = SharedTurns(clock, workers=9)
    a, b = Model(shared, "a", instances=9, share=share), Model(shared, "b", instances=9)
    b.submit(100)
    a.submit(100)
    clock.advance(35 * MS)
    assert (a.running, b.running) == (expected, int(9 * (1 - min(share, 0.5))))


def p99(workers, overload):
    """Of the time that a light model's requests take, for 20 s."""
    clock, rng = FakeClock(), random.Random(1)
    shared = SharedTurns(clock, workers=workers)
    light = Model(shared, "light", instances=workers // 2, run_ns=5 * MS)
    heavy = Model(shared, "heavy", instances=8, run_ns=20 * MS)
    at = 0
    while at < 20 * SECOND:
        step = int(rng.expovariate(1 / (40 * MS)))
        clock.advance(step)
        at += step
        if overload:
            heavy.submit(max(0, 60 - heavy.scheduler.pending))
        light.submit()
    clock.advance(SECOND)
    waits = sorted(light.waits)
    return waits[len(waits) * 99 // 100]


@pytest.mark.parametrize("workers", [2, 4])
def test_the_overload_of_one_model_moves_anothers_p99_by_no_more_than_a_fifth(workers):
    assert p99(workers, overload=True) <= 1.2 * p99(workers, overload=False)


def test_of_models_that_wait_the_one_served_least_goes_first():
    clock = FakeClock()
    shared = SharedTurns(clock, workers=1)
    models = [Model(shared, name, run_ns=ms * MS) for name, ms in (("a", 10), ("b", 20), ("c", 10))]
    for model in models:
        model.submit(200)
    clock.advance(2 * SECOND)
    served = [model.done * model.instances[0].run_ns for model in models]
    assert max(served) - min(served) <= 40 * MS


def test_an_instance_holds_its_resources_while_it_runs():
    shared = SharedTurns(FakeClock(), limits={("gpu", GLOBAL): 3})
    a = Model(shared, "a", instances=2, needs=Needs({("gpu", GLOBAL): 2}))
    b = Model(shared, "b", needs=Needs({("gpu", GLOBAL): 1}))
    a.submit(2)
    b.submit(1)
    assert (a.running, b.running) == (1, 1)
    a.clock.advance(10 * MS)
    assert (a.running, b.running) == (1, 0)


def test_a_resource_of_a_device_is_apart_from_that_of_another():
    shared = SharedTurns(FakeClock())
    a = Model(shared, "a", needs=Needs({("gpu", 0): 1}))
    b = Model(shared, "b", needs=Needs({("gpu", 1): 1}))
    c = Model(shared, "c", needs=Needs({("gpu", 1): 1}))
    for model in (a, b, c):
        model.submit()
    assert (a.running, b.running, c.running) == (1, 1, 0)


def test_without_a_limit_there_is_what_the_neediest_asks_for():
    shared = SharedTurns(FakeClock())
    shared.join({"x": Needs({("r", GLOBAL): 4})})
    a = Model(shared, "a", instances=5, needs=Needs({("r", GLOBAL): 1}))
    a.submit(5)
    assert a.running == 4


def test_who_needs_more_than_there_is_cannot_join():
    shared = SharedTurns(FakeClock(), limits={("r", GLOBAL): 3})
    with pytest.raises(ServeError) as error:
        shared.join({"x": Needs({("r", GLOBAL): 4})})
    assert (error.value.code, error.value.message) == (
        Code.INVALID_ARG,
        'Resource count for "r" is limited to 3 which will prevent scheduling of one or more model instances, the '
        "minimum required count is 4",
    )


def test_a_resource_is_global_or_a_devices_and_not_both():
    shared = SharedTurns(FakeClock())
    shared.join({"x": Needs({("r", GLOBAL): 1})})
    with pytest.raises(ServeError, match="both global and device-specific"):
        shared.join({"y": Needs({("r", 0): 1})})


def test_one_that_needs_much_is_not_starved_by_those_that_need_little():
    clock = FakeClock()
    shared = SharedTurns(clock, limits={("r", GLOBAL): 4})
    small = Model(shared, "small", instances=4, run_ns=7 * MS, needs=Needs({("r", GLOBAL): 1}))
    large = Model(shared, "large", run_ns=10 * MS, needs=Needs({("r", GLOBAL): 4}))
    small.submit(1)
    clock.advance(3 * MS)
    small.submit(400)
    large.submit(20)
    clock.advance(200 * MS)
    assert large.done >= 3 and small.done >= 12


def test_an_instance_of_priority_2_gets_half_the_turns_of_one_of_priority_1():
    clock = FakeClock()
    shared = SharedTurns(clock, limits={("r", GLOBAL): 1})
    first = Model(shared, "first", needs=Needs({("r", GLOBAL): 1}, priority=1))
    second = Model(shared, "second", needs=Needs({("r", GLOBAL): 1}, priority=2))
    first.submit(500)
    second.submit(500)
    clock.advance(3 * SECOND)
    assert abs(first.done - 2 * second.done) <= 3


def test_a_model_that_is_gone_waits_no_more_and_its_last_batch_gives_the_worker_back():
    clock = FakeClock()
    shared = SharedTurns(clock, workers=1)
    a, b = Model(shared, "a"), Model(shared, "b")
    a.submit(2)
    b.submit(1)
    a.turns.close()
    a.scheduler.close()
    clock.advance(30 * MS)
    assert b.done == 1 and shared._held_workers == 0


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(0, 30)), max_size=30),
    st.booleans(),
)
def test_everything_is_served_and_nothing_is_held_in_the_end(workers, arrivals, has_resources):
    clock = FakeClock()
    shared = SharedTurns(clock, workers=workers, limits={("r", GLOBAL): 2} if has_resources else None)
    needs = Needs({("r", GLOBAL): 2}) if has_resources else None
    models = [
        Model(shared, name, instances=2, run_ns=ms * MS, needs=needs) for name, ms in (("a", 3), ("b", 9), ("c", 1))
    ]
    for which, count, wait in arrivals:
        models[which].submit(count)
        clock.advance(wait * MS)
        assert sum(m.running for m in models) <= (1 if has_resources else workers)
    clock.advance(10 * SECOND)
    assert sum(m.done for m in models) == sum(count for _, count, _ in arrivals)
    assert shared._held_workers == 0 and not any(shared._held.values())
