"""The server as its protocols see it: find a model, answer a request, say what is ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from burnish.serve.core.under_way import UnderWay
from burnish.serve.job import Job, Reply
from burnish.serve.observe.watch_requests import Watch
from burnish.serve.repository.folders import signature
from burnish.serve.repository.repository import Repository
from burnish.serve.repository.version import ModelVersion
from burnish.serve.request import NEWEST, Request
from burnish.serve.status import Code, ServeError

log = logging.getLogger("burnish.serve")

EXTENSIONS = (
    "classification", "sequence", "model_repository", "model_repository(unload_dependents)", "schedule_policy",
    "model_configuration", "system_shared_memory", "cuda_shared_memory", "binary_tensor_data", "parameters",
    "statistics", "trace", "logging",
)  # fmt: skip
NONE, POLL, EXPLICIT = "none", "poll", "explicit"


@dataclass(frozen=True)
class ServerOptions:
    """control: none, poll or explicit. load: what explicit control loads at the start; `*` is everything.

    is_strict    ready only if no model's last load failed
    poll_s       seconds between looks at the repository
    retries      how often a load that fails at the start is tried again
    config_name  and may_complete: see `config.read`
    most_requests, most_bytes   of clients that are queued or running; further ones are refused
    """

    repositories: tuple[Path, ...]
    control: str = NONE
    load: tuple[str, ...] = ()
    poll_s: float = 15.0
    is_strict: bool = True
    exit_on_error: bool = True
    retries: int = 0
    config_name: str = ""
    may_complete: bool = True
    most_requests: int = 10_000
    most_bytes: int = 4 << 30
    name: str = "burnish"
    version: str = ""
    extensions: tuple[str, ...] = EXTENSIONS


class Server:
    """Both protocols call this, on the event loop's thread."""

    def __init__(self, options: ServerOptions, repository: Repository) -> None:
        self.options, self.repository = options, repository
        self.name, self.version, self.extensions = options.name, options.version, options.extensions
        self.is_live, self.is_stopping = True, False
        self.under_way = UnderWay(options.most_requests, options.most_bytes)
        self._has_started = False
        self._polling: asyncio.Task[None] | None = None
        self.watch: Watch | None = None  # set while requests are traced or logged one by one

    @property
    def is_ready(self) -> bool:
        if not self._has_started or self.is_stopping:
            return False
        return not (self.options.is_strict and self.repository.has_failed)

    def find(self, model: str, version: int = NEWEST) -> ModelVersion:
        """ServeError NOT_FOUND if the model, or this version of it, is not ready."""
        return self.repository.find(model, version)

    def infer(self, request: Request, reply: Reply) -> Job:
        """Queue a request. `reply` gets its answers on this thread, the first possibly before this returns.

        raises: ServeError if the request is refused at once; nothing is then replied
        """
        if self.is_stopping:
            raise ServeError(Code.UNAVAILABLE, "the server is stopping")
        if self.under_way.is_full:
            raise self.find(request.model, request.version).reject(request)
        job = self.call(request, reply)
        if not job.is_over:
            self.under_way.enter(job)
        return job

    def call(self, request: Request, reply: Reply) -> Job:
        """As `infer`, also while the server is full or stops: what is under way may call other models until it is
        answered."""
        version = self.find(request.model, request.version)
        router = version.router if request.version == NEWEST else None
        submit = version.submit if router is None else router.submit
        return submit(request, reply) if self.watch is None else self.watch(submit, request, reply)

    def submit(self, request: Request, reply: Reply) -> Job:
        """To the version that the request names and to no other; for canary and shadow traffic."""
        return self.find(request.model, request.version).submit(request, reply)

    # ---- start and stop -----------------------------------------------------------------------------------------

    async def start(self) -> list[str]:
        """Load what is to be loaded; messages of what could not be."""
        options = self.options
        if options.control == EXPLICIT and "*" not in options.load:
            names: Sequence[str] = options.load
        else:
            names = await asyncio.to_thread(self.repository.folders.names)
        found = await asyncio.gather(*(self._try(name, options.retries) for name in names))
        self._has_started = True
        if options.control == POLL:
            self._polling = asyncio.get_running_loop().create_task(self._poll())
        return [message for message in found if message]

    async def stop(self, patience_s: float = 30.0) -> None:
        """Refuse new requests, answer those under way, give everything back."""
        self.is_stopping = True
        if self._polling is not None:
            self._polling.cancel()
        try:
            await asyncio.wait_for(self.repository.close(), patience_s)
        except TimeoutError:
            log.warning("requests were still under way after %g s", patience_s)
        self.is_live = False

    async def _try(self, name: str, retries: int = 0) -> str:
        message = ""
        for _ in range(1 + retries):
            try:
                await self.repository.load(name)
            except ServeError as error:
                message = error.message
            else:
                return ""
        why = self.repository.refused.get(name, "").partition(": ")[2]  # Triton's sentence does not always say it
        return message if why in message else f"{message}: {why}"

    async def _poll(self) -> None:
        """Load what is new or changed, unload what is gone; a model whose load failed is tried when it changes."""
        seen: dict[str, object] = {name: model.signature for name, model in self.repository.models.items()}
        while True:
            await asyncio.sleep(self.options.poll_s)
            try:
                await self.poll_once(seen)
            except Exception:
                log.exception(
                    "a look at the model repository failed; the next one follows in %g s", self.options.poll_s
                )

    async def poll_once(self, seen: dict[str, object]) -> None:
        """One look at the repository; `seen` keeps each model's signature from one look to the next."""
        folders = self.repository.folders
        names = await asyncio.to_thread(folders.names)
        for name in names:
            try:
                folder = await asyncio.to_thread(folders.find, name)
            except ServeError:
                continue
            if folder is None:
                continue
            now = await asyncio.to_thread(signature, folder)
            if name not in seen or seen[name] != now:
                seen[name] = now
                await self._try(name)
        for name in set(seen) - set(names):
            del seen[name]
            await self.repository.unload(name)
