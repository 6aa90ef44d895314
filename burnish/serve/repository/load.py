"""Load one version: read its model, complete and check its configuration, make its instances and its scheduler."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from burnish.serve.backends.choose import begin
from burnish.serve.backends.loading import Place, Tell
from burnish.serve.config.backends import ENSEMBLE, PYTHON
from burnish.serve.config.named_file import named_file
from burnish.serve.config.normalise import normalise_groups
from burnish.serve.config.options.options import Options
from burnish.serve.config.read import check_loaded
from burnish.serve.config.refusal import ConfigError
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.repository.room import Room
from burnish.serve.repository.version import ModelVersion, Scheduled
from burnish.serve.scheduling import Instance
from burnish.serve.status import Code, ServeError

# A completed configuration, the version's number, the model's folder, the instances, and who counts.
MakeScheduler = Callable[[pb.ModelConfig, int, Path, Sequence[Instance], ModelStatistics], Awaitable[Scheduled]]


class VersionLoader:
    """gpus: the numbers of those that this machine has. room: the memory that all models share.

    may_complete: whether a Python model is asked what it is
    """

    def __init__(
        self,
        place: Place,
        make_scheduler: MakeScheduler,
        gpus: tuple[int, ...] = (),
        room: Room | None = None,
        may_complete: bool = True,
    ) -> None:
        self.place, self.make_scheduler, self.gpus, self.room = place, make_scheduler, gpus, room or Room()
        self.may_complete = may_complete

    async def __call__(self, given: pb.ModelConfig, folder: Path, number: int, tell: Tell) -> ModelVersion:
        config = pb.ModelConfig()
        config.CopyFrom(given)
        statistics = ModelStatistics()
        if config.platform == ENSEMBLE:
            check_loaded(config, self.gpus)
            labels = await asyncio.to_thread(_labels, config, folder)
            made = await self.make_scheduler(config, number, folder, (), statistics)
            return ModelVersion(number, config, None, made, statistics, labels, self.room)
        tell("reading the model")
        loading = await begin(config, folder, number, self.place, tell)
        try:
            if self.may_complete or config.backend != PYTHON:
                await loading.complete(config)
            normalise_groups(config, self.gpus)
            check_loaded(config, self.gpus)
            labels = await asyncio.to_thread(_labels, config, folder)
            needed = loading.needed_bytes(config)
            _check_share(config, needed)
            await self.room.reserve(config.name, needed)
        except BaseException:
            await loading.abort()
            raise
        with self.room.holding(needed):
            tell("making its instances")
            try:
                backend = await loading.open(config)
            except BaseException:
                await loading.abort()
                raise
            try:
                more = max(0, backend.memory_bytes - needed)  # of processes, whose size shows only now
                _check_share(config, needed + more)
                await self.room.reserve(config.name, more)
                with self.room.holding(more):
                    made = await self.make_scheduler(config, number, folder, backend.instances, statistics)
                    return ModelVersion(number, config, backend, made, statistics, labels, self.room)
            except BaseException:
                await backend.close()
                raise


def _check_share(config: pb.ModelConfig, needed: int) -> None:
    most = Options.of(config).memory_bytes
    if most and needed > most:
        raise ConfigError(f"model '{config.name}' needs {needed} bytes of memory; burnish.memory allows {most}")


def _labels(config: pb.ModelConfig, folder: Path) -> Mapping[str, list[str]]:
    """The lines of each output's label file."""
    found = {}
    for output in config.output:
        if not output.label_filename:
            continue
        path = named_file(folder, output.label_filename)
        try:
            if path.exists() and not path.is_file():  # to read from a pipe might never end
                raise OSError(errno.EINVAL, "Is not a file")
            found[output.name] = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except OSError as error:
            raise ServeError(Code.INTERNAL, f"failed to open text file for read {path}: {error.strerror}") from None
    return found
