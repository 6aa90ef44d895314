import asyncio
import threading

import pytest
import uvloop

from burnish.serve.job import Job
from burnish.serve.request import Request
from burnish.serve.scheduling.clock import LoopClock
from burnish.serve.scheduling.make import make_scheduler
from tests.serve.scheduling.fakes import config, make_job


def test_an_alarm_comes_when_its_time_is_over_and_a_cancelled_one_never():
    async def run():
        clock, calls = LoopClock(asyncio.get_running_loop()), []
        start = clock.now_ns()
        clock.call_at(start + 5_000_000, lambda: calls.append("a"))
        clock.call_at(start - 1, lambda: calls.append("late"))
        clock.call_at(start + 4_000_000, lambda: calls.append("b"))()
        await asyncio.sleep(0.02)
        return calls

    assert asyncio.run(run()) == ["late", "a"]
    assert uvloop.run(run()) == ["late", "a"]


def test_its_time_is_the_one_that_jobs_are_stamped_with():
    before = LoopClock.now_ns()
    job = Job(Request("m", {}), "m", 1, 1, lambda response: None)
    assert before <= job.arrived_ns <= LoopClock.now_ns()


class Threaded:
    """Runs in a thread and comes back to the loop, as a long run does."""

    name = "t"

    def __init__(self, loop):
        self.loop, self.ids = loop, []

    def run(self, jobs, done):
        self.ids.append([job.request.id for job in jobs])

        def back():
            for job in jobs:
                job.answer([])
            done()

        threading.Thread(target=self.loop.call_soon_threadsafe, args=(back,)).start()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_batcher_waits_for_its_delay_on_a_real_loop_and_a_timeout_ends_a_wait(run):
    text = """max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 61300
        priority_levels: 2 default_priority_level: 1
        priority_queue_policy { key: 2 value { default_timeout_microseconds: 13700 } } }"""

    async def serve():
        loop = asyncio.get_running_loop()
        instance, clock = Threaded(loop), LoopClock(loop)
        scheduler = make_scheduler(config(text), [instance], clock)
        start, ended = clock.now_ns(), {}
        for name in "abc":
            job, _ = make_job(name, priority=2 if name == "b" else 0)
            job.on_end.append(lambda job: ended.update({job.request.id: clock.now_ns() - start}))
            scheduler.submit(job)
        while len(ended) < 3:
            await asyncio.sleep(0.001)
        return instance.ids, ended

    ids, ended = run(serve())
    assert ids == [["a", "c"]]
    assert 13_700_000 <= ended["b"] < ended["a"]
    assert ended["a"] >= 61_300_000
