import asyncio

import uvloop

from burnish.serve.job import Job
from burnish.serve.request import Request
from burnish.serve.scheduling.clock import LoopClock


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
