"""The metrics page: what is counted anyway, as text, when it is asked for. Nothing of it costs a request time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from burnish.serve.observe.exposition import COUNTER, GAUGE, Family, label_text, page
from burnish.serve.observe.machine import Machine
from burnish.serve.observe.own_metrics import shadow_families, state_families, version_families
from burnish.serve.observe.triton_metrics import cache_families, inference_families
from burnish.serve.observe.watched import Cache, Server, Shadow


class Metrics:
    """cache    of the whole server, if it has one
    shadows  reports of shadow traffic by model, as they are now
    more     families of others, such as metrics that Python models define
    """

    def __init__(
        self,
        server: Server,
        machine: Machine | None = None,
        cache: Cache | None = None,
        shadows: Callable[[], Mapping[str, Shadow]] | None = None,
    ) -> None:
        self._server, self._cache, self._shadows = server, cache, shadows
        self.machine = machine or Machine()
        self.more: list[Callable[[], Iterable[Family]]] = []
        self._started_s = time.time()

    def text(self) -> bytes:
        return page(self.families())

    def families(self) -> Iterable[Family]:
        versions = self._server.repository.served()
        yield from inference_families(versions)
        if self._cache is not None:
            yield from cache_families(self._cache)
        yield from self.machine.families()
        yield from version_families(versions)
        yield from state_families(self._server.repository)
        if self._shadows is not None:
            yield from shadow_families(self._shadows())
        yield from self._process()
        for families in self.more:
            yield from families()

    def _process(self) -> Iterable[Family]:
        """Those of the process under the names that Prometheus' own clients give them."""
        info = label_text(version=self._server.version)
        for name, kind, told, value, labels in (
            ("burnish_info", GAUGE, "The version of the server", 1, info),
            ("burnish_server_ready", GAUGE, "1 if the server as a whole is ready", int(self._server.is_ready), ""),
            (
                "process_resident_memory_bytes",
                GAUGE,
                "Resident memory size in bytes.",
                self.machine.resident_bytes(),
                "",
            ),
            (
                "process_cpu_seconds_total",
                COUNTER,
                "Total user and system CPU time spent in seconds.",
                time.process_time(),
                "",
            ),
            (
                "process_start_time_seconds",
                GAUGE,
                "Start time of the process since unix epoch in seconds.",
                self._started_s,
                "",
            ),
        ):
            family = Family(name, kind, told)
            family.add(value, labels)
            yield family
