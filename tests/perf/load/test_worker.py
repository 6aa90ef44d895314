"""The command loop of a sending process, in this process."""

from __future__ import annotations

import asyncio
import io
import pickle
import threading

from burnish.perf.load.driver import Driver
from burnish.perf.load.job import connector, message_source
from burnish.perf.load.schedule import Share
from burnish.perf.load.worker import Collected, _obey
from burnish.perf.samples import Samples
from tests.perf.fake_server import FakeServer, running
from tests.perf.load.test_job import made


def test_commands_start_collect_and_stop_and_the_end_of_input_ends_it() -> None:
    with running(FakeServer(delay_s=lambda n: 0.01)) as server:
        commands, answers = io.BytesIO(), io.BytesIO()
        for command in (("start", Share(2, limit=6)), ("stop", 5.0), ("collect",)):
            pickle.dump(command, commands)
        commands.seek(0)
        loop = asyncio.new_event_loop()
        job = made(server.url)
        driver = Driver(connector(job), message_source(job))
        thread = threading.Thread(target=_obey, args=(commands, answers, loop, driver))
        thread.start()
        loop.run_forever()
        thread.join(5)
        loop.close()
    answers.seek(0)
    first, second = pickle.load(answers), pickle.load(answers)
    assert isinstance(first, Collected) and isinstance(second, Collected)
    assert 2 <= len(Samples.read(first.times)) <= 6 and first.processor_ns > 0
    assert len(Samples.read(second.times)) == 0 and second.errors == {}
