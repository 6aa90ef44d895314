"""A model by name: the versions that it has or had, and the state of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.serve.repository.version import ModelVersion
from burnish.serve.request import NEWEST
from burnish.serve.status import Code, ServeError

READY, LOADING, UNLOADING, UNAVAILABLE = "READY", "LOADING", "UNLOADING", "UNAVAILABLE"


@dataclass(slots=True)
class VersionState:
    """Why, for a state that is not READY."""

    state: str
    reason: str = ""
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A line of the repository's index; of a model that was never loaded the name alone."""

    name: str
    version: str = ""
    state: str = ""
    reason: str = ""


@dataclass(slots=True)
class Model:
    """has_failed  its last load did, so the server is not ready as a whole
    signature   of its files at that load
    loaded      what its ready versions are made of: the files' signature, the configuration, the versions' numbers;
                None if that cannot be had again, for the files came with the request
    is_part     loaded because an ensemble needed it, not because someone asked for it
    """

    name: str
    versions: dict[int, VersionState] = field(default_factory=dict)
    has_failed: bool = False
    signature: object = None
    loaded: tuple[object, bytes, tuple[int, ...]] | None = None
    is_part: bool = False

    def ready(self) -> list[int]:
        """Ascending."""
        return sorted(n for n, v in self.versions.items() if v.state == READY)

    def find(self, version: int = NEWEST) -> ModelVersion:
        """ServeError NOT_FOUND if it is not ready."""
        if version == NEWEST:
            ready = self.ready()
            if not ready:
                raise not_found(f"'{self.name}' has no available versions")
            version = ready[-1]
        held = self.versions.get(version)
        if held is None or held.state != READY or held.version is None:
            raise not_found(f"'{self.name}' version {version} is not found")
        return held.version

    def index(self) -> list[IndexEntry]:
        return [IndexEntry(self.name, str(n), v.state, _reason(v)) for n, v in sorted(self.versions.items())]


def _reason(held: VersionState) -> str:
    is_parked = held.state == READY and held.version is not None and held.version.is_parked
    return "not in memory; its next request loads it" if is_parked else held.reason


def not_found(what: str) -> ServeError:
    return ServeError(Code.NOT_FOUND, f"Request for unknown model: {what}")
