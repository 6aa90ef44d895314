"""When the event loop looks for the next request instead of sleeping, and when it must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from burnish.serve.app.busy_poll import BusyPoll

US = 1000


class Loop:
    """An event loop and its time: a turn takes 2 us."""

    def __init__(self, limit_us: int = 500) -> None:
        self.now, self.is_busy = 10**12, False
        self.waiting: list[Callable[[], None]] = []
        self.busy = BusyPoll(cast(Any, self), limit_us, lambda: not self.is_busy, lambda: self.now)

    def call_soon(self, call: Callable[[], None]) -> None:
        self.waiting.append(call)

    def turns(self, most: int = 10_000) -> int:
        """Turns until the loop would sleep."""
        done = 0
        while self.waiting and done < most:
            self.now += 2 * US
            self.waiting.pop(0)()
            done += 1
        return done

    def answers(self, count: int, every_us: int) -> int:
        """So many answers, one after the other; the polls in between."""
        polls = 0
        for _ in range(count):
            end = self.now + every_us * US
            while self.waiting and self.now < end:
                polls += self.turns(1)
            self.now = max(self.now, end)
            self.busy.rest()
        return polls


def test_requests_that_follow_each_other_closely_are_polled_for_until_the_limit_and_no_longer():
    loop = Loop()
    assert loop.answers(20, 300) > 1000
    assert 240 <= loop.turns() <= 260  # 500 us of 2 us each
    assert not loop.waiting


def test_an_idle_server_and_one_that_is_asked_seldom_sleep():
    assert Loop().turns() == 0
    assert Loop().answers(100, 501) == 0


def test_a_few_requests_close_together_are_no_reason_to_poll():
    loop = Loop()
    for _ in range(10):
        assert loop.answers(4, 100) == 0
        loop.now += 5000 * US


def test_after_a_pause_requests_have_to_come_closely_again():
    loop = Loop()
    assert loop.answers(10, 100) > 0
    loop.turns()
    loop.now += 5000 * US
    assert loop.answers(4, 100) == 0
    assert loop.answers(10, 100) > 0


def test_a_model_that_starts_on_another_thread_ends_the_polling():
    loop = Loop()
    loop.answers(10, 100)
    assert loop.turns(5) == 5
    loop.is_busy = True
    assert loop.turns() == 1
    assert loop.answers(20, 100) == 0
    loop.is_busy = False
    assert loop.answers(20, 100) > 0


def test_whoever_is_interrupted_while_polling_lets_others_have_the_processor_for_a_while():
    loop = Loop()
    loop.answers(10, 100)
    loop.turns(5)
    loop.now += 3000 * US
    assert loop.turns() == 1
    assert loop.answers(100, 100) == 0
    loop.now += 500_000 * US
    assert loop.answers(20, 100) > 0


def test_work_between_two_polls_is_no_interruption():
    loop = Loop()
    loop.answers(10, 100)
    loop.turns(5)
    loop.now += 400 * US  # a long answer
    loop.busy.rest()
    assert loop.turns(50) == 50
