"""The models that a server has: which are loaded, why others are not, and how that changes while it serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from burnish.serve.config.backends import ENSEMBLE
from burnish.serve.config.check_steps import check_circles
from burnish.serve.config.read import read
from burnish.serve.config.refusal import ConfigError, poll_failure
from burnish.serve.config.versions import choose_versions
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.repository.ensembles import check_parts, fit_ensembles, is_part_of_any
from burnish.serve.repository.folders import Folders, signature
from burnish.serve.repository.given_files import write_files
from burnish.serve.repository.model import (
    LOADING,
    READY,
    UNAVAILABLE,
    UNLOADING,
    IndexEntry,
    Model,
    VersionState,
    not_found,
)
from burnish.serve.repository.version import ModelVersion
from burnish.serve.request import NEWEST
from burnish.serve.status import Code, ServeError, unexpected

log = logging.getLogger("burnish.serve")

# Loads one version of the model in a folder. `tell` takes what is being done, for the index.
LoadVersion = Callable[[pb.ModelConfig, Path, int, Callable[[str], None]], Awaitable[ModelVersion]]
_CODES = {
    Code.UNKNOWN: "Unknown", Code.INTERNAL: "Internal", Code.NOT_FOUND: "Not found",
    Code.INVALID_ARG: "Invalid argument", Code.UNAVAILABLE: "Unavailable", Code.UNSUPPORTED: "Unsupported",
    Code.ALREADY_EXISTS: "Already exists",
}  # fmt: skip


class _Lock:
    """users: who holds it or waits for it."""

    def __init__(self) -> None:
        self.held, self.users = asyncio.Lock(), 0


class Repository:
    """load_version is handed in, so that this knows states and nothing of backends.

    config_name, may_complete   as `config.read` takes them, for all models
    """

    def __init__(
        self, roots: Sequence[Path], load_version: LoadVersion, config_name: str = "", may_complete: bool = True
    ) -> None:
        self.folders = Folders(roots)
        self.models: dict[str, Model] = {}
        self.refused: dict[str, str] = {}  # why a model's last load ended before any of its versions was looked at
        self._load_version = load_version
        self._config_name, self._may_complete = config_name, may_complete
        self._locks: dict[str, _Lock] = {}
        self._given: dict[str, Path] = {}  # models whose files came with the request to load them
        self._closing: set[asyncio.Task[None]] = set()

    # ---- what there is ------------------------------------------------------------------------------------------

    def find(self, name: str, version: int = NEWEST) -> ModelVersion:
        """The version that answers. ServeError NOT_FOUND, in Triton's words, if there is none."""
        model = self.models.get(name)
        if model is None:
            raise not_found(f"'{name}' is not found")
        return model.find(version)

    def is_ready(self, name: str, version: int = NEWEST) -> bool:
        try:
            self.find(name, version)
        except ServeError:
            return False
        return True

    @property
    def has_failed(self) -> bool:
        """Whether the last load of any model failed and has not been repaired by another."""
        return any(model.has_failed and not model.ready() for model in self.models.values())

    async def index(self, ready: bool = False) -> list[IndexEntry]:
        """Every version that is or was loaded, and every other model's name, with the reason if its load was refused;
        or only what is ready. Models that lie in no repository, for their files came with the request, are left out."""
        found = []
        for name in await asyncio.to_thread(self.folders.names):
            model = self.models.get(name)
            entries = model.index() if model is not None else []
            if ready:
                found += [e for e in entries if e.state == READY]
            else:
                reason = self.refused.get(name, "")
                found += entries or [IndexEntry(name, "", UNAVAILABLE if reason else "", reason)]
        return found

    def served(self) -> list[ModelVersion]:
        """Every version that is ready, by name and number."""
        held = [v for _, model in sorted(self.models.items()) for _, v in sorted(model.versions.items())]
        return [v.version for v in held if v.state == READY and v.version is not None]

    # ---- load ---------------------------------------------------------------------------------------------------

    async def load(self, name: str, parameters: Mapping[str, str | bytes] | None = None) -> None:
        """Load a model, or load it anew; what it serves now goes on until the new versions are ready. If nothing has
        changed since the last load, nothing happens.

        parameters: `config`, a configuration in JSON that stands in for the file; `file:PATH`, the content of a file
                    (bytes, or base64 text) of which and of nothing else the model then consists
        raises:     ServeError in Triton's words; what was served before is still served
        """
        async with self._locked(name):
            await self._load_locked(name, dict(parameters or {}))
        fit_ensembles(self.models, name)

    @contextlib.asynccontextmanager
    async def _locked(self, name: str) -> AsyncIterator[None]:
        """A model loads or unloads, not both."""
        lock = self._locks.setdefault(name, _Lock())
        lock.users += 1
        try:
            async with lock.held:
                yield
        finally:
            lock.users -= 1
            if not lock.users:
                del self._locks[name]

    async def _load_locked(self, name: str, parameters: dict[str, str | bytes], is_part: bool = False) -> None:
        model = self.models.get(name) or Model(name)
        try:
            if await self._load(model, parameters):
                model.is_part = is_part
        except (ServeError, OSError) as found:
            error = found if isinstance(found, ServeError) else _vanished(name, found)
            model.has_failed = self.models.get(name) is model
            log.warning("load of '%s' failed: %s", name, error.message.strip())
            raise error from None
        model.has_failed = False
        self.refused.pop(name, None)

    async def _load(self, model: Model, parameters: dict[str, str | bytes]) -> bool:
        """False if what is ready is what would be loaded."""
        folder, override = await self._files_of(model.name, parameters)
        try:
            config, numbers = await self._choose(model, folder, override)
        except ServeError as error:
            cause = error.__cause__
            reason = _reason(cause if isinstance(cause, ServeError) else error).strip()
            self.refused[model.name] = reason
            ready = model.ready()
            for number, held in model.versions.items():
                if number in ready or not ready:
                    held.reason = _still_serving(reason) if ready else reason
            raise
        made_of = None
        if model.name not in self._given:
            made_of = (model.signature, config.SerializeToString(deterministic=True), tuple(numbers))
        if made_of is not None and model.loaded == made_of and model.ready() == sorted(numbers):
            for number in numbers:
                model.versions[number].reason = ""
            return False
        await self._load_versions(model, config, folder, numbers)
        model.loaded = made_of
        return True

    async def _choose(self, model: Model, folder: Path, override: str | None) -> tuple[pb.ModelConfig, Sequence[int]]:
        """The configuration and the versions that are to be loaded."""
        name = model.name
        try:
            config = await asyncio.to_thread(self._read, folder, name, override)
        except ConfigError as error:
            log.warning("the configuration of '%s' is refused: %s", name, error.message)
            raise poll_failure(name, error) from error
        model.signature = await asyncio.to_thread(signature, folder)
        if config.platform != ENSEMBLE:
            self.models[name] = model
        folders = await asyncio.to_thread(_subfolders, folder)
        try:
            chosen = choose_versions(config, folders)
            if config.platform == ENSEMBLE:
                await self._load_parts(config)
                self.models[name] = model  # not before: Triton does not know an ensemble whose parts do not fit
        except ServeError as error:
            raise ServeError(Code.INVALID_ARG, f"load failed for model '{name}': {error.message}\n") from error
        return config, chosen.served

    async def _load_versions(self, model: Model, config: pb.ModelConfig, folder: Path, numbers: Sequence[int]) -> None:
        """All of them, or none: what fails leaves the old ones in place."""
        before = {n: v for n, v in model.versions.items() if v.version is not None}
        for number in numbers:
            if number not in before:
                model.versions[number] = VersionState(LOADING)
        found = await asyncio.gather(
            *(self._load_version(config, folder, n, self._teller(model, n)) for n in numbers), return_exceptions=True
        )
        failed = {n: _error(f) for n, f in zip(numbers, found) if isinstance(f, BaseException)}
        if failed:
            await asyncio.gather(*(f.close() for f in found if isinstance(f, ModelVersion)))
            for number in numbers:
                if number in before and number in failed:
                    before[number].reason = _still_serving(_reason(failed[number]))
                elif number not in before:
                    reason = _reason(failed[number]) if number in failed else "another version failed to load"
                    model.versions[number] = VersionState(UNAVAILABLE, reason)
            told = "".join(f"version {n} is at UNAVAILABLE state: {_reason(e)};" for n, e in sorted(failed.items()))
            raise ServeError(Code.INVALID_ARG, f"load failed for model '{model.name}': {told}\n")
        for number, version in zip(numbers, found):
            assert isinstance(version, ModelVersion)
            model.versions[number] = VersionState(READY, "", version)
        for number, old in before.items():
            if number not in numbers:
                model.versions[number] = VersionState(UNAVAILABLE, "unloaded")
            self._close_later(old.version)

    async def _load_parts(self, config: pb.ModelConfig) -> None:
        """The models that an ensemble's steps name, if they are not loaded yet; then, whether all fits together."""
        check_circles(config, await asyncio.to_thread(self._ensembles_below, config))
        lost = []
        for name in sorted({step.model_name for step in config.ensemble_scheduling.step}):
            async with self._locked(name):  # another task may be loading it
                is_ready, part = self.is_ready(name), self.models.get(name)
                if not is_ready or await self._has_changed(name):
                    with contextlib.suppress(ServeError):
                        await self._load_locked(name, {}, is_part=not is_ready or (part is not None and part.is_part))
            if not self.is_ready(name):
                lost.append(name)
        if lost:
            raise ConfigError(
                f"ensemble {config.name} contains models that are not available or ambiguous: {', '.join(lost)}"
            )
        check_parts(config, self.models)

    async def _has_changed(self, name: str) -> bool:
        """Whether files of a loaded model are other ones now."""
        loaded = self.models[name].loaded
        folder = await asyncio.to_thread(self.folders.find, name) if loaded is not None else None
        return loaded is not None and folder is not None and loaded[0] != await asyncio.to_thread(signature, folder)

    def _ensembles_below(self, config: pb.ModelConfig) -> dict[str, pb.ModelConfig]:
        """The configurations of all models that an ensemble's steps name, and theirs, as far as they can be read."""
        found: dict[str, pb.ModelConfig] = {}
        waiting = [config]
        while waiting:
            for step in waiting.pop().ensemble_scheduling.step:
                name = step.model_name
                with contextlib.suppress(ServeError):
                    folder = None if name in found else self.folders.find(name)
                    if folder is not None:
                        found[name] = self._read(folder, name)
                        waiting.append(found[name])
        return found

    def _read(self, folder: Path, name: str, override: str | None = None) -> pb.ModelConfig:
        return read(folder, name, override, self._config_name, self._may_complete)

    async def _files_of(self, name: str, parameters: dict[str, str | bytes]) -> tuple[Path, str | None]:
        """The model's folder, and a configuration that stands in for its file."""
        override = parameters.pop("config", None)
        files = {key.removeprefix("file:"): value for key, value in parameters.items() if key.startswith("file:")}
        text = override.decode() if isinstance(override, bytes) else override
        if not files:
            folder = await asyncio.to_thread(self.folders.find, name)
            if folder is None:
                raise poll_failure(name, ServeError(Code.NOT_FOUND, "no model repository has a folder of this name"))
            self._forget_files(name)
            return folder, text
        if text is None:
            raise poll_failure(name, ServeError(Code.INVALID_ARG, "files were given without a configuration"))
        folder = await asyncio.to_thread(write_files, name, files)
        self._forget_files(name)
        self._given[name] = folder
        return folder, text

    # ---- unload -------------------------------------------------------------------------------------------------

    async def unload(self, name: str, with_dependents: bool = False) -> None:
        """Stop serving a model: new requests are refused at once, those under way are answered.

        with_dependents: also the models that were loaded for this ensemble alone
        """
        self.refused.pop(name, None)
        model = self.models.get(name)
        if model is None:
            return
        async with self._locked(name):
            parts: set[str] = set()
            for number, held in model.versions.items():
                if held.version is not None:
                    parts |= {step.model_name for step in held.version.config.ensemble_scheduling.step}
                    model.versions[number] = VersionState(UNAVAILABLE, "unloaded")
                    self._close_later(held.version, model, number)
            self._forget_files(name)
        fit_ensembles(self.models, name)
        for part in sorted(parts) if with_dependents else ():
            if part in self.models and self.models[part].is_part and not is_part_of_any(part, self.served()):
                await self.unload(part, True)

    async def close(self) -> None:
        """Unload everything; requests under way are answered first."""
        for name in list(self.models):
            await self.unload(name)
        if self._closing:
            await asyncio.gather(*self._closing)

    def _close_later(self, version: ModelVersion | None, model: Model | None = None, number: int = 0) -> None:
        if version is None:
            return
        if version.in_flight and model is not None:
            model.versions[number] = VersionState(UNLOADING)

        async def close() -> None:
            await version.close()
            if model is not None and model.versions[number].state == UNLOADING:
                model.versions[number] = VersionState(UNAVAILABLE, "unloaded")

        task = asyncio.get_running_loop().create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _forget_files(self, name: str) -> None:
        folder = self._given.pop(name, None)
        if folder is not None:
            shutil.rmtree(folder.parent, ignore_errors=True)

    def _teller(self, model: Model, number: int) -> Callable[[str], None]:
        def tell(doing: str) -> None:
            log.info("'%s' version %d: %s", model.name, number, doing)
            held = model.versions.get(number)
            if held is not None and held.state == LOADING:
                held.reason = doing

        return tell


def _subfolders(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.is_dir()]


def _vanished(name: str, error: OSError) -> ServeError:
    """Of a folder that is deleted, or changed, while it is read."""
    return poll_failure(name, ConfigError("the model's files cannot be read", error.strerror or "", Code.INTERNAL))


def _error(found: BaseException) -> ServeError:
    if isinstance(found, ServeError):
        return found
    if not isinstance(found, Exception):
        raise found
    log.error("a load failed in an unexpected way", exc_info=found)
    return unexpected(found)


def _reason(error: ServeError) -> str:
    return f"{_CODES.get(error.code, 'Internal')}: {error.message}"


def _still_serving(reason: str) -> str:
    return f"serving what was loaded before; the last load failed: {reason}"
