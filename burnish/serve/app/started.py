"""What a server tells once it has started: where it listens, and the models that it has."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.serve.repository.model import UNAVAILABLE
from burnish.serve.repository.repository import Repository


@dataclass(frozen=True)
class StartedModel:
    """A version of a model. reason: why it is not READY. backend: what runs it. version is "-" of a model whose
    configuration is refused."""

    name: str
    version: str
    state: str
    reason: str
    backend: str
    memory_bytes: int


@dataclass(frozen=True)
class Started:
    """Addresses and ports; a port that is None is not open."""

    host: str
    http: int | None
    grpc_host: str
    grpc: int | None
    metrics_host: str
    metrics: int | None
    models: tuple[StartedModel, ...] = ()


def started_models(repository: Repository) -> tuple[StartedModel, ...]:
    """Of every model that was loaded or should have been, by name and version."""
    found = []
    for name, model in sorted(repository.models.items()):
        for number, held in sorted(model.versions.items()):
            loaded = held.version
            backend = (loaded.config.backend or loaded.config.platform) if loaded is not None else ""
            memory = loaded.memory_bytes if loaded is not None else 0
            found.append(StartedModel(name, str(number), held.state, held.reason, backend, memory))
    named = {model.name for model in found}
    refused = repository.refused.items()
    found += [StartedModel(name, "-", UNAVAILABLE, reason, "", 0) for name, reason in refused if name not in named]
    return tuple(sorted(found, key=lambda model: model.name))
