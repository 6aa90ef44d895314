"""A process that sends requests. It takes pickled commands on stdin.

Job                     first: where to send what
("start", Share)        begin a level
("collect",)            answers Collected: what was recorded since the last time
("stop", seconds)       end the level; answers Collected too
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import signal
import sys
import threading
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, BinaryIO

from burnish.perf.load.driver import Driver
from burnish.perf.load.job import Job, connector, message_source
from burnish.perf.load.schedule import Share


@dataclass(frozen=True, slots=True)
class Collected:
    """times, gaps: int64 as `driver.Records` has them; processor_ns: time of this process' threads since its start."""

    times: bytes
    gaps: bytes
    errors: dict[str, int]
    processor_ns: int
    waiting: int


def main() -> None:
    """Serve commands until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the coordinator, which ends this process
    commands, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    job: Job = pickle.load(commands)
    loop = _new_loop()
    driver = Driver(connector(job), message_source(job))
    threading.Thread(target=_obey, args=(commands, answers, loop, driver), daemon=True).start()
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection would stretch the latencies that are measured; requests make no circles
    loop.run_forever()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _obey(commands: BinaryIO, answers: BinaryIO, loop: asyncio.AbstractEventLoop, driver: Driver) -> None:
    """Read commands in a thread of its own, so that the loop is not held up by pipes."""
    try:
        while True:
            name, *arguments = pickle.load(commands)
            if name == "start":
                _in_loop(loop, _start(driver, arguments[0]))
                continue
            if name == "stop":
                _in_loop(loop, driver.stop(arguments[0]))
                gc.collect()
            records, waiting = _in_loop(loop, _take(driver))
            found = Collected(
                records.times.tobytes(),
                records.gaps.tobytes(),
                dict(records.errors),
                time.process_time_ns(),
                waiting,
            )
            pickle.dump(found, answers)
            answers.flush()
    except (EOFError, BrokenPipeError):
        pass
    finally:
        loop.call_soon_threadsafe(loop.stop)


def _in_loop(loop: asyncio.AbstractEventLoop, work: Awaitable[Any]) -> Any:
    async def run() -> Any:
        return await work

    return asyncio.run_coroutine_threadsafe(run(), loop).result()


async def _start(driver: Driver, share: Share) -> None:
    driver.start(share)


async def _take(driver: Driver) -> tuple[Any, int]:
    return driver.take(), len(driver.waiting)
