"""The timer wakes at its time, not a millisecond later."""

from __future__ import annotations

import asyncio
import time

import pytest

from burnish.perf.load.timer import Timer


def delays(count: int, is_fallback: bool = False) -> list[float]:
    """How late [us] the timer wakes."""

    async def main() -> list[float]:
        timer = Timer(asyncio.get_running_loop())
        if is_fallback:
            timer.close()
        found = []
        for _ in range(count):
            due = time.monotonic_ns() + 1_300_000
            await timer.until(due)
            found.append((time.monotonic_ns() - due) / 1e3)
        timer.close()
        return found

    return asyncio.run(main())


def test_it_never_wakes_early_and_can_wake_within_half_a_millisecond() -> None:
    found = sorted(delays(40))
    assert found[0] >= 0
    assert found[0] < 500  # a timer of whole milliseconds would always be 700 us late


def test_without_timerfd_it_still_waits() -> None:
    assert min(delays(3, is_fallback=True)) > -1000


@pytest.mark.parametrize("ago_ns", [0, 10**9])
def test_a_time_that_is_past_is_no_wait(ago_ns: int) -> None:
    async def main() -> float:
        timer = Timer(asyncio.get_running_loop())
        start = time.monotonic()
        await timer.until(time.monotonic_ns() - ago_ns)
        timer.close()
        return time.monotonic() - start

    assert asyncio.run(main()) < 0.05
