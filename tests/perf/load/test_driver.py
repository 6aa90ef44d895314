"""Closed and open loops over connections whose answers take scripted times."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

import pytest

from burnish.perf.load.driver import MOST_MESSAGES, Driver, Records
from burnish.perf.load.schedule import Share
from burnish.perf.samples import Samples, corrected, measured


class Messages:
    def __init__(self) -> None:
        self.restarts = 0
        self.unfinished: bytes | None = None

    def next(self) -> bytes:
        return b"x"

    def restart(self) -> None:
        self.restarts += 1

    def last(self) -> bytes | None:
        return self.unfinished


class Connection:
    """Answers the n-th request of all connections after delay_s(n), with the error problem(n)."""

    def __init__(self, fake: Fake) -> None:
        self.fake, self.is_open = fake, True
        self.first_ns = self.end_ns = 0
        self.arrivals: list[int] = []

    async def send(self, message: bytes) -> str:
        number = next(self.fake.numbers)
        self.fake.sent.append(message)
        self.fake.in_flight += 1
        self.fake.most_in_flight = max(self.fake.most_in_flight, self.fake.in_flight)
        await asyncio.sleep(self.fake.delay_s(number))
        self.fake.in_flight -= 1
        self.first_ns = self.end_ns = time.monotonic_ns()
        problem = self.fake.problem(number)
        self.is_open = problem != "lost" and not self.fake.closes
        return problem

    def expire(self, now_ns: int) -> None:
        self.fake.patrols += 1

    def close(self) -> None:
        self.is_open = False
        self.fake.closed += 1


class Fake:
    def __init__(self, delay_s: Callable[[int], float] = lambda n: 0.001) -> None:
        self.delay_s = delay_s
        self.problem: Callable[[int], str] = lambda n: ""
        self.refuses = 0
        self.closes = False
        self.numbers = itertools.count()
        self.sent: list[bytes] = []
        self.opened = self.closed = self.in_flight = self.most_in_flight = self.patrols = 0

    async def connect(self) -> Connection:
        if self.refuses:
            self.refuses -= 1
            raise ConnectionRefusedError(111, "Connection refused")
        self.opened += 1
        return Connection(self)


def drive(fake: Fake, share: Share, seconds: float = 0.0, messages: Messages | None = None) -> Records:
    """Drive for so long, and until the share's limit is reached."""

    async def main() -> Records:
        driver = Driver(fake.connect, lambda: messages or Messages())
        driver.start(share)
        await asyncio.sleep(seconds)
        for _ in range(500):
            if not share.limit or len(driver.records.times) >= 6 * share.limit:
                break
            await asyncio.sleep(0.01)
        await driver.stop(2.0)
        return driver.take()

    return asyncio.run(main())


def test_a_closed_loop_keeps_its_requests_in_flight_and_one_connection_each() -> None:
    fake = Fake(lambda n: 0.01)
    found = Samples.read(drive(fake, Share(3), 0.15).times.tobytes())
    assert (fake.most_in_flight, fake.opened, fake.closed) == (3, 3, 3)
    assert 9 <= len(found) <= 48
    assert (found.due == found.sent).all() and ((found.end - found.sent) >= 0.009e9).all()


def test_a_limit_is_kept_to_the_request() -> None:
    assert len(drive(Fake(), Share(3, limit=10)).times) == 60
    assert len(drive(Fake(), Share(9, rate=1000.0, limit=10)).times) == 60


def test_an_open_loop_sends_at_its_rate_whatever_the_answers_take() -> None:
    fake = Fake(lambda n: 0.1)
    share = Share(100, rate=200.0, limit=30, begin_ns=time.monotonic_ns())
    found = Samples.read(drive(fake, share).times.tobytes())
    assert len(found) == 30 and fake.most_in_flight >= 15
    assert (found.due == sorted(found.due)).all() and len(set(found.due[1:] - found.due[:-1])) == 1
    assert measured(found).percentile(50) >= 99


def test_a_stall_counts_for_every_request_that_was_due_meanwhile() -> None:
    """One place, 400 per s, instant answers but one of 0.3 s: of 200 requests 120 were due while it lasted.

    Their waits fall evenly from 300 ms to 0, so the 70th percentile of all, which is the 60th of 120, is about 150 ms.
    """
    stall = Fake(lambda n: 0.3 if n == 40 else 0.0)
    share = Share(1, rate=400.0, limit=200, begin_ns=time.monotonic_ns())
    found = Samples.read(drive(stall, share).times.tobytes())
    assert len(found) == 200 and stall.most_in_flight == 1
    assert measured(found).percentile(99) < 100
    fixed = corrected(found, is_open=True)
    assert fixed.percentile(70) == pytest.approx(150, abs=45)
    assert fixed.percentile(90) == pytest.approx(250, abs=45)
    assert fixed.percentile(100) >= 300


def test_failures_are_recorded_with_their_messages_and_do_not_end_the_loop() -> None:
    fake = Fake()
    fake.problem = lambda n: "503: full" if n % 2 else ""
    records = drive(fake, Share(1, limit=10))
    assert Samples.read(records.times.tobytes()).failed.sum() == 5
    assert records.errors == {"503: full": 5}


def test_only_so_many_messages_are_told_apart() -> None:
    fake = Fake(lambda n: 0.0)
    fake.problem = lambda n: f"error {n}"
    errors = drive(fake, Share(1, limit=50)).errors
    assert len(errors) == MOST_MESSAGES + 1 and errors["other errors"] == 50 - MOST_MESSAGES


def test_a_lost_connection_is_opened_again_and_its_sequence_begins_anew() -> None:
    fake, messages = Fake(), Messages()
    fake.problem = lambda n: "lost" if n == 2 else ""
    records = drive(fake, Share(1, limit=6), messages=messages)
    assert (fake.opened, messages.restarts >= 1, records.errors) == (2, True, {"lost": 1})
    assert len(records.times) == 36


def test_a_server_that_closes_after_each_answer_costs_connections_but_neither_failures_nor_sequences() -> None:
    fake, messages = Fake(), Messages()
    fake.closes = True
    records = drive(fake, Share(1, limit=5), messages=messages)
    assert (fake.opened, messages.restarts, records.errors) == (5, 0, {})


def test_a_refused_connection_is_a_failed_request() -> None:
    fake = Fake()
    fake.refuses = 2
    records = drive(fake, Share(1, limit=5))
    assert records.errors == {"cannot connect: Connection refused": 2}
    assert Samples.read(records.times.tobytes()).failed.tolist() == [True, True, False, False, False]


def test_what_a_slot_left_open_is_ended_without_being_counted() -> None:
    fake, messages = Fake(), Messages()
    messages.unfinished = b"end"
    records = drive(fake, Share(2, limit=4), messages=messages)
    assert fake.sent.count(b"end") == 2 and len(records.times) == 24


def test_requests_that_never_end_are_given_up_and_looked_after() -> None:
    async def main() -> Fake:
        fake = Fake(lambda n: 60.0)
        driver = Driver(fake.connect, Messages)
        driver.start(Share(2))
        await asyncio.sleep(0.15)
        await driver.stop(0.05)
        return fake

    assert asyncio.run(main()).patrols >= 2


def test_times_between_responses_of_a_stream_are_kept() -> None:
    driver = Driver(Fake().connect, Messages)
    connection = Connection(Fake())
    connection.first_ns, connection.end_ns, connection.arrivals = 5, 100, [10, 25, 60]
    driver.keep(1, 2, connection, "")
    records = driver.take()
    assert list(records.times) == [1, 2, 10, 100, 3, 0]
    assert list(records.gaps) == [25, 15, 60, 35]
    assert len(driver.take().times) == 0
