"""Send one request before anything is measured, so that a request that cannot work says so at once."""

from __future__ import annotations

import asyncio
import time

from burnish.errors import UserError
from burnish.perf.load.driver import Connection
from burnish.perf.load.job import Job, connector, message_source

PATROL_S = 0.05


def try_once(job: Job) -> None:
    """E688 with the server's answer if it is an error."""
    problem = asyncio.run(_send(job))
    if problem:
        raise UserError(
            "E688",
            "the server refuses the first request",
            where=f"{job.endpoint.protocol} server at {job.endpoint.authority}",
            why=problem,
            hint="nothing was measured; look at the shapes, the data, the batch and the headers",
        )


async def _send(job: Job) -> str:
    try:
        connection = await connector(job)()
    except OSError as error:
        return f"cannot connect: {error.strerror or error}"
    messages = message_source(job)()
    problem = await _answer(connection, messages.next())
    if not problem and (last := messages.last()) is not None:
        problem = await _answer(connection, last)
    connection.close()
    return problem


async def _answer(connection: Connection, message: bytes) -> str:
    waiting = asyncio.ensure_future(connection.send(message))
    while not (await asyncio.wait({waiting}, timeout=PATROL_S))[0]:
        connection.expire(time.monotonic_ns())
    return waiting.result()
