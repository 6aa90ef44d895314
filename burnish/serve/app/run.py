"""A server process, from its options to its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import uvloop

from burnish.serve.app.assemble import assemble
from burnish.serve.app.options import ServeOptions
from burnish.serve.app.ports import Ports
from burnish.serve.app.started import Started, started_models
from burnish.serve.observe.write_log import WriteLog

log = logging.getLogger("burnish.serve")


def run(options: ServeOptions, started: Callable[[Started, list[str]], None] = lambda where, failed: None) -> int:
    """Serve until SIGTERM or SIGINT; the exit status.

    started: called once everything is loaded, with the ports and with what could not be loaded
    """
    _allow_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(options, started))


async def serve(options: ServeOptions, started: Callable[[Started, list[str]], None]) -> int:
    """The same within a running event loop."""
    loop = asyncio.get_running_loop()
    parts = assemble(options, loop)
    log_writer = WriteLog(parts.logs)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # outside the main thread
            loop.add_signal_handler(number, _stop, loop, stop)
    ports = Ports()
    try:
        where = await ports.open(options, parts)
        failed = await _unless(stop, parts.server.start())
        if failed is None:
            return 0
        where = replace(where, models=started_models(parts.server.repository))
        if failed and options.server.exit_on_error:
            started(where, failed)
            return 1
        gc.collect()
        gc.freeze()  # what is loaded stays: later collections need not look at it
        started(where, failed)
        loop.run_in_executor(None, parts.metrics.machine.look_for_gpus)
        await stop.wait()
        log.info("stopping: requests under way may take %g s", options.drain_s)
        parts.server.is_stopping = True
        return 0
    finally:
        parts.dashboard.close()
        await ports.close(options.drain_s)
        await parts.server.stop(options.drain_s)
        parts.workers.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(parts.trace_writer.close)
        log_writer.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)  # a closed loop would keep them, and Ctrl-C would do nothing


async def _unless(stop: asyncio.Event, starting: Coroutine[Any, Any, list[str]]) -> list[str] | None:
    """What the start gives; None if the server was to stop before it was ready."""
    start, stopping = asyncio.ensure_future(starting), asyncio.ensure_future(stop.wait())
    await asyncio.wait((start, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if start.done():
        return start.result()
    start.cancel()
    await asyncio.wait((start,))
    return None


def _stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Requests under way may end. A second Ctrl-C then ends the process, for somebody who will not wait."""
    stop.set()
    loop.remove_signal_handler(signal.SIGINT)


def _allow_connections() -> None:
    """As many open files as the system lets this process have; a shell's usual limit of 1024 is for other programs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
