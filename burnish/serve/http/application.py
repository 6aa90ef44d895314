"""Which route a request takes: Triton's paths, its methods, and what it answers to all others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from burnish.serve.core.forward_headers import Forward
from burnish.serve.core.server import Server
from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.http.generate import GenerateRoute
from burnish.serve.http.infer import InferRoute
from burnish.serve.http.management import Management
from burnish.serve.http.openapi.document import openapi_document
from burnish.serve.http.openapi.page import PAGE
from burnish.serve.http.settings_routes import SettingsRoutes
from burnish.serve.http.shared_memory_routes import SharedMemoryRoutes
from burnish.serve.http.wire.exchange import JSON, TEXT, Exchange
from burnish.serve.http.wire.limits import Limits
from burnish.serve.observe.log_settings import LogSettings
from burnish.serve.observe.trace_settings import TraceSettings
from burnish.serve.request import NEWEST
from burnish.serve.status import Code, ServeError, invalid

_HTML = b"text/html; charset=utf-8"
# A browser asks for a password if it is told so on a line of its own; Chromium reads no list.
_ASKS = ((b"WWW-Authenticate", b"Bearer"), (b"WWW-Authenticate", b'Basic realm="burnish"'))
_MODEL = re.compile(
    r"/v2/models/([^/]+)(?:/versions/([0-9]+))?"
    r"(?:/(infer|generate|generate_stream|ready|config|stats|trace/setting))?"
)
_REPOSITORY = re.compile(r"/v2/repository(?:/([^/]+))?/(?:(index)|models/([^/]+)/(load|unload))")
_SHARED = re.compile(r"/v2/(system|cuda)sharedmemory(?:/region/([^/]+))?/(status|register|unregister)")
_REMEMBERED = 1024  # paths whose route is known; clients use few

Guard = Callable[[str, Mapping[bytes, bytes]], "ServeError | None"]
Page = Callable[[Exchange], None]


@dataclass(frozen=True, slots=True)
class Route:
    """call(exchange, *args). kind: the Content-Type of its errors. area: Triton's name of the kind of access."""

    call: Callable[..., None]
    args: tuple[Any, ...] = ()
    methods: tuple[bytes, ...] = (b"GET",)
    kind: bytes = JSON
    area: str = "metadata"


class Application:
    """guard     (area, headers) -> the error of a client that may not go there
    pages     further paths, answered for GET
    forward   puts headers among the parameters of inference requests
    """

    def __init__(
        self,
        server: Server,
        *,
        limits: Limits | None = None,
        shared: SharedMemory | None = None,
        traces: TraceSettings | None = None,
        logs: LogSettings | None = None,
        guard: Guard | None = None,
        pages: Mapping[str, Page] | None = None,
        forward: Forward | None = None,
    ) -> None:
        self._guard = guard
        self._remembered: dict[bytes, Route] = {}
        limits = limits or Limits()
        manage = Management(server)
        memory = SharedMemoryRoutes(shared)
        settings = SettingsRoutes(server, traces or TraceSettings(), logs or LogSettings())
        both = (b"GET", b"POST")
        post = (b"POST",)
        document = openapi_document(server.name, server.version)
        self._fixed = {
            "/v2": Route(manage.server_metadata),
            "/v2/health/live": Route(manage.live, kind=TEXT, area="health"),
            "/v2/health/ready": Route(manage.ready, kind=TEXT, area="health"),
            "/v2/models/stats": Route(manage.statistics, area="statistics"),
            "/v2/logging": Route(settings.logging, methods=both, area="logging"),
            "/v2/trace/setting": Route(settings.trace, methods=both, area="trace"),
            "/openapi.json": Route(lambda exchange: exchange.answer(200, JSON, document)),
            "/docs": Route(lambda exchange: exchange.answer(200, _HTML, PAGE)),
        } | {path: Route(page, kind=TEXT) for path, page in (pages or {}).items()}
        infer = InferRoute(server, shared, limits, forward)
        self._model = {
            "infer": Route(infer, methods=post, kind=TEXT, area="inference"),
            "generate": Route(GenerateRoute(server, is_stream=False), methods=post, area="inference"),
            "generate_stream": Route(GenerateRoute(server, is_stream=True), methods=post, area="inference"),
            "ready": Route(manage.model_ready, kind=TEXT, area="health"),
            "config": Route(manage.config, area="model-config"),
            "stats": Route(manage.statistics, area="statistics"),
            None: Route(manage.metadata),
        }
        self._trace = Route(settings.trace, methods=both, area="trace")
        self._repository = {
            "index": Route(manage.index, methods=post, area="model-repository"),
            "load": Route(manage.load, methods=post, area="model-repository"),
            "unload": Route(manage.unload, methods=post, area="model-repository"),
        }
        self._shared = {
            f"{kind}/{action}": Route(
                getattr(memory, f"{kind}_{action}"),
                methods=(b"GET",) if action == "status" else post,
                area="shared-memory",
            )
            for kind in ("system", "cuda")
            for action in ("status", "register", "unregister")
        }

    def handle(self, exchange: Exchange) -> None:
        route = self._remembered.get(exchange.path)
        if route is None:
            route = self._find(exchange.path)
            if route is None:
                exchange.fail(404, "Not Found")
                return
        if self._guard is not None:
            error = self._guard(route.area, exchange.headers)
            if error is not None:
                asks = _ASKS if error.code is Code.UNAUTHENTICATED else ()
                exchange.fail(error.code.http, error.message, TEXT, asks)
                return
        if exchange.method not in route.methods:
            exchange.fail(405, "Method Not Allowed", route.kind)
            return
        try:
            route.call(exchange, *route.args)
        except ServeError as error:
            exchange.fail(error.code.http, error.message, route.kind)

    def _find(self, path: bytes) -> Route | None:
        text = path.decode("utf-8", "surrogateescape")
        found = self._fixed.get(text) or self._find_pattern(text)
        if found is not None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[path] = found
        return found

    def _find_pattern(self, path: str) -> Route | None:
        match = _MODEL.fullmatch(path)
        if match:
            model, version, kind = match.groups()
            if kind == "trace/setting":
                return _with(self._trace, model) if version is None else None
            route = self._model[kind]
            try:
                return _with(route, model, _number(version))
            except ServeError as error:
                return _with(Route(_raise, methods=route.methods, kind=route.kind, area=route.area), error)
        match = _REPOSITORY.fullmatch(path)
        if match:
            repository, index, model, action = match.groups()
            args = (repository or "",) if index else (repository or "", model)
            return _with(self._repository[index or action], *args)
        match = _SHARED.fullmatch(path)
        if match:
            kind, region, action = match.groups()
            return _with(self._shared[f"{kind}/{action}"], region or "")
        return None


def _with(route: Route, *args: Any) -> Route:
    return Route(route.call, args, route.methods, route.kind, route.area)


def _raise(exchange: Exchange, error: ServeError) -> None:
    raise error


def _number(version: str | None) -> int:
    if version is None:
        return NEWEST
    number = int(version) if len(version) < 25 else 1 << 63
    if number >= 1 << 63:
        raise invalid(
            f"failed to get model version from specified version string '{version}' (details: stol), version should be "
            "an integral value > 0"
        )
    return number
