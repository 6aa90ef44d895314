"""From Ray Serve's proxies to the replicas. A request whose replica is lost is asked again of another."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

from ray.exceptions import ObjectLostError, RayActorError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from burnish.serve.http.wire.exchange import Headers, error_body

log = logging.getLogger("burnish.serve")

ATTEMPTS = 5
_PAUSE_S = 0.1  # before the second attempt; it doubles
LOST = (RayActorError, WorkerCrashedError, ObjectLostError)
_ONE_ALONE = re.compile(
    r"/v2/repository/(?:[^/]+/)?models/[^/]+/(?:load|unload)|/v2/logging|/v2/(?:models/[^/]+/)?trace/setting"
)
REFUSAL = (
    "this would reach one replica of several, and not those that come later; change the repository and run "
    "`burnish serve --ray` again, which replaces the replicas one by one, or serve it with --control poll"
)


class Gate:
    """models: Ray's handle of the replicas."""

    def __init__(self, models: Any) -> None:
        self._models = models

    async def __call__(self, request: Request) -> Response:
        path = request.scope.get("raw_path") or request.scope["path"].encode()
        asked = (request.method.encode(), path.partition(b"?")[0], dict(request.scope["headers"]), await request.body())
        if request.method == "POST" and _ONE_ALONE.fullmatch(request.scope["path"]):
            return _response(400, ((b"Content-Type", b"application/json"),), error_body(REFUSAL))
        try:
            if asked[1].endswith(b"/generate_stream"):
                return await self._stream(asked)
            return _response(*await self._again(self._models.answer, asked))
        except (BackPressureError, DeploymentUnavailableError, *LOST) as error:
            log.warning("no replica answers: %s", error)
            return _response(
                503, ((b"Content-Type", b"application/json"),), error_body("no replica answers; try again")
            )

    async def _again(self, method: Any, asked: tuple[Any, ...]) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                return await method.remote(*asked)
            except LOST as error:
                if attempt == ATTEMPTS - 1:
                    raise
                log.info("a replica was lost under %s: %s", asked[1].decode(), type(error).__name__)
                await asyncio.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _stream(self, asked: tuple[Any, ...]) -> Response:
        """Asked again only until its first piece: what the client has seen cannot be taken back."""
        for attempt in range(ATTEMPTS):
            pieces = self._models.options(stream=True).stream.remote(*asked)
            try:
                status, headers = await anext(pieces)
                return StreamingResponse(_rest(pieces), status, _text(headers))
            except LOST:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


async def _rest(pieces: Any) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece


def _response(status: int, headers: Headers, body: bytes) -> Response:
    return Response(body, status, _text(headers))


def _text(headers: Headers) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
