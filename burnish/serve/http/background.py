"""What a route does after it has returned: loading, unpacking, compressing. Its errors are answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from burnish.serve.http.wire.exchange import JSON, Exchange
from burnish.serve.status import ServeError

_LOG = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly


def run_later(exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(_guarded(exchange, work))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _guarded(exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except ServeError as error:
        exchange.fail(error.code.http, error.message, JSON)
    except Exception:
        _LOG.exception("%s %s", exchange.method.decode("latin-1"), exchange.path.decode("latin-1"))
        exchange.fail(500, "internal error; the server's log has more", JSON)
