"""Where to send what: all that a sending process needs to know."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from burnish.perf.client.endpoint import Endpoint
from burnish.perf.load.driver import Connect, Connection
from burnish.perf.load.messages import Messages, Request, SequenceSteps, Steps, ids
from burnish.perf.options import Sequences


@dataclass(frozen=True, slots=True)
class Job:
    """index of count processes; is_stream: an answer is a stream of responses."""

    endpoint: Endpoint
    streams: Sequence[Sequence[Request]]
    sequences: Sequences | None
    timeout_s: float
    is_stream: bool
    headers: Mapping[str, str]
    seed: int = 0
    index: int = 0
    count: int = 1


def connector(job: Job) -> Connect:
    """How this job opens a connection."""
    if job.endpoint.protocol == "grpc":
        from burnish.perf.client.grpc_connection import Channels

        return Channels(job.endpoint, job.headers, job.timeout_s, job.is_stream).connect
    from burnish.perf.client.http_connection import connect

    async def open_one() -> Connection:
        return await connect(job.endpoint, job.timeout_s, job.is_stream)

    return open_one


def message_source(job: Job) -> Callable[[], Messages]:
    """Gives each slot what it sends."""
    if job.sequences is None:
        shared = Steps(job.streams)
        return lambda: shared
    wanted = job.sequences
    new_id = ids(wanted, job.index, job.count)
    slots = iter(range(sys.maxsize))
    return lambda: SequenceSteps(job.streams, wanted, new_id, f"{job.seed} {job.index} {next(slots)}")
