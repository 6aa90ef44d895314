"""Health, metadata, configuration, statistics, and the model repository."""

from __future__ import annotations

import base64
import re
from typing import Any

from burnish.serve.core.server import Server
from burnish.serve.http.background import run_later
from burnish.serve.http.text.parse import parse_json
from burnish.serve.http.text.words import MISSING, as_bool, as_string, fault, find, members
from burnish.serve.http.wire.exchange import JSON, TEXT, Exchange
from burnish.serve.request import NEWEST
from burnish.serve.status import Code, ServeError, invalid

_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


class Management:
    """Each method is a route."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def live(self, exchange: Exchange) -> None:
        exchange.answer(200 if self._server.is_live else 400)

    def ready(self, exchange: Exchange) -> None:
        exchange.answer(200 if self._server.is_ready else 400)

    def model_ready(self, exchange: Exchange, model: str, number: int) -> None:
        if self._server.repository.is_ready(model, number):
            exchange.answer(200)
        else:
            exchange.fail(400, "Model version not ready", TEXT)

    def server_metadata(self, exchange: Exchange) -> None:
        server = self._server
        exchange.answer_json({"name": server.name, "version": server.version, "extensions": list(server.extensions)})

    def metadata(self, exchange: Exchange, model: str, number: int) -> None:
        version = self._server.find(model, number)
        if number == NEWEST:
            numbers = sorted(v.number for v in self._server.repository.served() if v.name == model)
        else:
            numbers = [number]
        exchange.answer_json(version.metadata(numbers))

    def config(self, exchange: Exchange, model: str, number: int) -> None:
        exchange.answer_json(self._server.find(model, number).config_json())

    def statistics(self, exchange: Exchange, model: str = "", number: int = NEWEST) -> None:
        found = [v for v in self._server.repository.served() if model in ("", v.name)]
        if model and not found:
            raise invalid(f"requested model '{model}' is not available")
        if number != NEWEST:
            found = [v for v in found if v.number == number]
            if not found:
                raise invalid(f"requested model version is not available for model '{model}'")
        found.sort(key=lambda v: (v.name, v.number))
        exchange.answer_json({"model_stats": [v.statistics.as_json(v.name, v.number) for v in found]})

    def index(self, exchange: Exchange, repository: str) -> None:
        ready = find(parse_json(exchange.body), "ready") if exchange.body else MISSING
        run_later(exchange, self._index(exchange, ready is not MISSING and as_bool(ready)))

    async def _index(self, exchange: Exchange, ready: bool) -> None:
        entries = await self._server.repository.index(ready)
        exchange.answer_json([_shown(e) for e in entries])

    def load(self, exchange: Exchange, repository: str, model: str) -> None:
        _refuse_repository(repository)
        run_later(exchange, self._load(exchange, model, _load_parameters(exchange.body)))

    async def _load(self, exchange: Exchange, model: str, parameters: dict[str, str | bytes]) -> None:
        await self._server.repository.load(model, parameters)
        exchange.answer(200, JSON)

    def unload(self, exchange: Exchange, repository: str, model: str) -> None:
        _refuse_repository(repository)
        run_later(exchange, self._unload(exchange, model, _with_dependents(exchange.body)))

    async def _unload(self, exchange: Exchange, model: str, with_dependents: bool) -> None:
        await self._server.repository.unload(model, with_dependents)
        exchange.answer(200, JSON)


def _shown(entry: Any) -> dict[str, str]:
    """What is not known is left out."""
    pairs = (("name", entry.name), ("version", entry.version), ("state", entry.state), ("reason", entry.reason))
    return {key: str(value) for key, value in pairs if value not in ("", None)}


def _refuse_repository(repository: str) -> None:
    if repository:
        raise ServeError(Code.UNSUPPORTED, "'repository_name' specification is not supported")


def _load_parameters(body: bytes) -> dict[str, str | bytes]:
    """`config` is text, `file:PATH` a file's content in base64."""
    found: dict[str, str | bytes] = {}
    parameters = find(parse_json(body), "parameters") if body else MISSING
    if parameters is MISSING:
        return found
    for key, value in members(parameters).items():
        text = as_string(value)
        if key == "config":
            found[key] = text
        elif key.startswith("file:"):
            found[key] = decode_base64(text)
        else:
            raise fault("unexpected error on creating Triton parameter")
    return found


def decode_base64(text: str) -> bytes:
    """Whatever is no base64 in it is passed over, as Triton's decoder does."""
    plain = _NO_BASE64.sub("", text)
    if len(plain) % 4 == 1:
        plain = plain[:-1]
    return base64.b64decode(plain + "=" * (-len(plain) % 4))


def _with_dependents(body: bytes) -> bool:
    """Triton unloads the model whatever the body says: a fault in it counts as no wish."""
    try:
        return as_bool(find(find(parse_json(body), "parameters"), "unload_dependents")) if body else False
    except ServeError:
        return False
