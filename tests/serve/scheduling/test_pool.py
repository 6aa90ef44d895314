import pytest

from burnish.serve.scheduling.pool import InstancePool
from burnish.serve.status import Code
from tests.serve.scheduling.fakes import FakeClock, FakeInstance, Seen, make_job


class Barrier:
    def __init__(self):
        self.is_open, self.waiting, self.left = False, [], []

    def enter(self, instance, retry):
        if not self.is_open:
            self.waiting.append(retry)
        return self.is_open

    def leave(self, instance, busy_ns, again):
        self.left.append((instance.name, busy_ns))
        again()


def test_an_instance_without_a_turn_is_not_started_and_asks_again():
    barrier, instance, calls = Barrier(), FakeInstance(), []
    pool = InstancePool([instance], FakeClock(), Seen(), barrier)
    pool.on_free = lambda: calls.append("free")
    assert pool.take() is None and pool.has_idle
    barrier.is_open = True
    barrier.waiting[0]()
    assert calls == ["free"]
    assert pool.take() is instance and not pool.has_idle


def test_a_batch_is_stamped_counted_and_its_time_told():
    barrier, clock, seen = Barrier(), FakeClock(), Seen()
    barrier.is_open = True
    instance = FakeInstance("a")
    pool = InstancePool([instance], clock, seen, barrier)
    job, _ = make_job("j")
    pool.start(pool.take(), [job])
    assert (job.started_ns, pool.running) == (clock.now_ns(), 1)
    clock.advance(500)
    instance.end()
    assert (pool.running, pool.has_idle, barrier.left) == (0, True, [("a", 500)])
    assert seen.events == [("executed", ["j"])]


class Raising:
    name = "bad"

    def __init__(self, calls_done):
        self.calls_done = calls_done

    def run(self, jobs, done):
        if self.calls_done:
            jobs[0].answer([])
            done()
        raise RuntimeError("a defect")


@pytest.mark.parametrize("calls_done", [False, True])
def test_a_backend_that_raises_fails_its_batch_once_and_the_instance_goes_on(calls_done, caplog):
    clock, seen = FakeClock(), Seen()
    pool = InstancePool([Raising(calls_done)], clock, seen)
    for _ in range(2):
        (a, got_a), (b, got_b) = make_job("a"), make_job("b")
        pool.start(pool.take(), [a, b])
        assert [r[0].error is None for r in (got_a, got_b)] == [calls_done, False]
        assert (got_b[0].error.code, got_b[0].error.message) == (Code.INTERNAL, "the model's backend failed")
        assert pool.has_idle and pool.running == 0
    assert seen.events == [("executed", ["a", "b"])] * 2
    assert "a defect" in caplog.text


class NoMemory:
    def apply(self, jobs):
        raise MemoryError


def test_without_memory_to_pad_a_batch_it_fails_and_the_instance_and_its_turn_are_free():
    barrier, instance, seen = Barrier(), FakeInstance(), Seen()
    barrier.is_open = True
    pool = InstancePool([instance], FakeClock(), seen, barrier)
    job, answers = make_job("a")
    pool.start(pool.take(), [job], None, NoMemory())
    assert answers[0].error.code is Code.UNAVAILABLE
    assert (pool.has_idle, pool.running, len(barrier.left), instance.batches) == (True, 0, 1, [])
    assert seen.events == [("refused", "a", "OTHER")]
