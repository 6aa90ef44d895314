import gc
import weakref

import pytest

from burnish.serve.scheduling.job_queue import KEPT_LEVELS, JobQueue, QueueOptions, QueuePolicy
from burnish.serve.status import Code, ServeError
from tests.serve.scheduling.fakes import MS, US, make_job


def queue_of(*jobs, options=None, now=0):
    queue = JobQueue(options)
    for job in jobs:
        queue.push(job, now)
    return queue


def job(id="", **fields):
    return make_job(id, **fields)[0]


def ids(queue):
    return [j.request.id for j, _ in queue]


def test_without_levels_first_come_is_first_served_whatever_the_priority():
    queue = queue_of(job("a", priority=9), job("b", priority=1), job("c"))
    assert ids(queue) == ["a", "b", "c"]
    assert (len(queue), queue.rows) == (3, 3)


def test_level_1_is_served_first_and_a_priority_that_is_no_level_is_the_default():
    options = QueueOptions(levels=3, default_level=2)
    queue = queue_of(*(job(str(p), priority=p) for p in (3, 0, 1, 4, 2)), options=options)
    assert ids(queue) == ["1", "0", "4", "2", "3"]


def test_a_full_level_refuses_and_the_others_do_not():
    options = QueueOptions(QueuePolicy(max_size=1), levels=2, default_level=1, by_level={2: QueuePolicy()})
    queue = queue_of(job(), job(priority=2), job(priority=2), options=options)
    with pytest.raises(ServeError) as error:
        queue.push(job("x"), 0)
    assert (error.value.code, error.value.message) == (Code.UNAVAILABLE, "[request id: x] Exceeds maximum queue size")
    assert (len(queue), queue.rows) == (3, 3)


@pytest.mark.parametrize(
    "default, own, allowed, deadline",
    [(0, 0, True, 0), (0, 50, True, 0), (100, 0, True, 100), (100, 50, True, 50), (100, 50, False, 100),
     (100, 200, True, 100)],
)  # fmt: skip
def test_an_own_timeout_can_only_shorten_a_default_that_is_not_0(default, own, allowed, deadline):
    options = QueueOptions(QueuePolicy(timeout_us=default, allows_own_timeout=allowed))
    queue = queue_of(job(timeout_us=own), options=options)
    assert queue.next_deadline_ns == deadline * US


def test_a_job_whose_time_is_over_leaves():
    queue = JobQueue(QueueOptions(QueuePolicy(timeout_us=1000)))
    early, late = job("a"), job("b")
    queue.push(early, 0)
    queue.push(late, 5)
    assert queue.expire(MS - 1) == []
    assert queue.expire(MS) == [early]
    assert (ids(queue), queue.rows, queue.next_deadline_ns) == (["b"], 1, MS + 5)


def test_a_delayed_job_stands_behind_those_in_time_of_its_level_and_before_lower_levels():
    late = QueuePolicy(timeout_us=1000, delays=True)
    queue = JobQueue(QueueOptions(late, levels=2, default_level=1, by_level={2: QueuePolicy()}))
    first, low = job("first"), job("low", priority=2)
    queue.push(first, 0)
    queue.push(low, 0)
    queue.push(job("second"), MS // 2)
    assert queue.expire(MS) == []
    assert ids(queue) == ["second", "first", "low"]
    assert queue.remove(first)
    assert ids(queue) == ["second", "low"]


def test_a_delayed_job_still_counts_for_the_size_of_its_level():
    queue = queue_of(job(), options=QueueOptions(QueuePolicy(timeout_us=1, delays=True, max_size=1)))
    queue.expire(MS)
    with pytest.raises(ServeError):
        queue.push(job(), MS)


def test_jobs_that_have_left_are_not_held_for_their_deadline():
    queue = JobQueue(QueueOptions(QueuePolicy(timeout_us=10_000_000)))
    stays = job("stays")
    queue.push(stays, 0)
    gone = []
    for _ in range(200):
        made = job()
        queue.push(made, 1)
        gone.append(weakref.ref(made.request.inputs["IN"].data))
        assert queue.remove(made)
    del made
    gc.collect()
    assert sum(ref() is not None for ref in gone) < 40
    assert not queue.remove(job())


def test_drain_takes_everything_out():
    jobs = [job(priority=2), job(priority=1)]
    queue = queue_of(*jobs, options=QueueOptions(QueuePolicy(timeout_us=5), levels=2, default_level=1))
    assert set(queue.drain()) == set(jobs)
    assert (len(queue), queue.rows, queue.next_deadline_ns, ids(queue)) == (0, 0, 0, [])


def test_levels_that_are_empty_are_forgotten_where_there_are_many():
    policy = QueuePolicy(timeout_us=1000)
    queue = JobQueue(QueueOptions(policy, levels=1_000_000, default_level=1))
    jobs = [job(str(n), priority=n) for n in range(1000, 0, -1)]
    for made in jobs:
        queue.push(made, 0)
    assert ids(queue) == [str(n) for n in range(1, 1001)]
    for made in jobs[:500]:
        queue.remove(made)
    assert len(queue.expire(MS)) == 500
    assert len(queue._levels) <= KEPT_LEVELS
    queue.push(job("again", priority=7), 0)
    assert ids(queue) == ["again"]
