"""Processes that send: their parts add up, and one that dies is reported."""

from __future__ import annotations

import time

import pytest

from burnish.errors import EnvironmentProblem
from burnish.perf.load.schedule import Share
from burnish.perf.load.workers import Workers
from tests.perf.fake_server import FakeServer, running
from tests.perf.load.test_job import made


def test_two_processes_share_slots_and_requests_and_their_samples_come_together() -> None:
    with running(FakeServer(delay_s=lambda n: 0.002)) as server, Workers(made(server.url), 2) as workers:
        workers.start(Share(3, limit=11))
        found = 0
        for _ in range(200):
            batch = workers.collect()
            found += len(batch.samples)
            if found >= 11:
                break
            time.sleep(0.02)
        assert found == 11 and len(batch.processor_ns) == 2
        workers.stop()
        assert server.connections == 3
        workers.start(Share(1, limit=1))  # the second process has no part
        assert len(workers.stop().samples) <= 1


def test_a_process_that_died_is_reported() -> None:
    with running(FakeServer()) as server, Workers(made(server.url), 1) as workers:
        workers._processes[0].kill()
        with pytest.raises(EnvironmentProblem, match="E687") as caught:
            for _ in range(50):
                workers.collect()
        assert "-9" in str(caught.value)
