"""The scheduler of each loaded version, over what the server's models share: the clock, the cache, the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from burnish.serve.config.named_file import named_file
from burnish.serve.config.options.options import Options
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.repository.prepare import Rules, prepare
from burnish.serve.repository.version import Scheduled
from burnish.serve.request import Request
from burnish.serve.scheduling import Clock, Instance
from burnish.serve.scheduling.ensemble.run import Find
from burnish.serve.scheduling.make import make_scheduler
from burnish.serve.scheduling.response_cache import ResponseCache
from burnish.serve.scheduling.shares import instance_needs
from burnish.serve.scheduling.traffic.report import ShadowReport
from burnish.serve.scheduling.traffic.router import Router
from burnish.serve.scheduling.traffic.shadow import Submit
from burnish.serve.scheduling.turns import ResourceName, SharedTurns
from burnish.serve.scheduling.warmup import warm_up, warmup_samples
from burnish.serve.status import Code, ServeError


class Scheduling:
    """One a server.

    find       a loaded version, for an ensemble's steps
    submit     gives a request to the version that it names, for canary and shadow traffic
    resources  limits of the rate limiter
    is_limited whether the rate limiter is on
    """

    def __init__(
        self,
        clock: Clock,
        find: Find,
        submit: Submit,
        workers: int,
        cache_bytes: int = 0,
        resources: Mapping[ResourceName, int] | None = None,
        max_queue_size: int = 0,
        is_limited: bool = True,
    ) -> None:
        self._clock, self._find, self._submit, self._max_queue_size = clock, find, submit, max_queue_size
        self._is_limited = is_limited
        self.turns = SharedTurns(clock, workers, resources)
        self.cache = ResponseCache(cache_bytes) if cache_bytes else None
        self.shadows: dict[str, ShadowReport] = {}

    async def __call__(
        self,
        config: pb.ModelConfig,
        number: int,
        folder: Path,
        instances: Sequence[Instance],
        statistics: ModelStatistics,
    ) -> Scheduled:
        """Warm the instances up and put a scheduler before them. ServeError for what the configuration asks wrongly."""
        options, read_file = Options.of(config), _reader(folder)
        _check_samples(config, read_file)
        await warm_up(config, number, instances, read_file)
        needs = instance_needs(config, instances, self._is_limited)
        member = self.turns.join(needs, options.cpu_share) if instances else None
        try:
            scheduler = make_scheduler(
                config,
                instances,
                self._clock,
                observer=statistics,
                turns=member,
                max_queue_size=self._max_queue_size,
                read_file=read_file,
                find=self._find,
                cache=self.cache,
            )
        except BaseException:
            if member is not None:
                member.close()
            raise
        router = None
        if options.traffic is not None or options.shadow is not None:
            report = self.shadows.setdefault(config.name, ShadowReport())
            router = Router(options, self._submit, report, report.skip)
        return Scheduled(scheduler, router, member.close if member is not None else lambda: None)


def _reader(folder: Path) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        try:
            return named_file(folder, path).read_bytes()
        except OSError as error:
            message = f"failed to open text file for read {folder / path}: {error.strerror}"
            raise ServeError(Code.INTERNAL, message) from None

    return read


def _check_samples(config: pb.ModelConfig, read_file: Callable[[str], bytes]) -> None:
    """A sample is a request like any other, but that inputs which the model does not have are left out."""
    rules = Rules.of(config)
    for sample in warmup_samples(config, read_file):
        inputs = {t.name: t for t in sample.inputs if t.name in rules.inputs}
        prepare(Request(config.name, inputs), rules)
