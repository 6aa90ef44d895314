from burnish.serve.scheduling.pool import InstancePool
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
