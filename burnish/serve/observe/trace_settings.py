"""What is traced, of all models and of each: values that are not set fall back to the ones above them, as in Triton."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

from burnish.serve.status import invalid

OFF, TIMESTAMPS, TENSORS = "OFF", "TIMESTAMPS", "TENSORS"
TRITON, OPENTELEMETRY = "triton", "opentelemetry"


@dataclass(frozen=True, slots=True)
class TraceSetting:
    """levels: none of them means OFF. rate: one of so many requests. count: how many traces are left; -1: no limit."""

    levels: tuple[str, ...] = ()
    rate: int = 1000
    count: int = -1
    log_frequency: int = 0
    file: str = ""
    mode: str = TRITON

    @property
    def shown_levels(self) -> list[str]:
        return list(self.levels) or [OFF]


@dataclass(frozen=True)
class OpenTelemetryOptions:
    """Triton's settings of this mode, with its defaults. None: the SDK's, which reads the environment."""

    url: str = "http://localhost:4318/v1/traces"
    resource: Mapping[str, str] = field(default_factory=dict)
    bsp_max_queue_size: int | None = None
    bsp_schedule_delay: int | None = None
    bsp_max_export_batch_size: int | None = None


Change = tuple[str, ...] | int | None  # None: the value falls back again
_CHANGEABLE = tuple(f.name for f in fields(TraceSetting) if f.name not in ("file", "mode"))


class TraceSettings:
    """start: what the server was started with. on_change: called after each change."""

    def __init__(self, start: TraceSetting | None = None) -> None:
        self._start = start or TraceSetting()
        self._own: dict[str, dict[str, Change]] = {"": {}}  # what was set, by model; "" for all of them
        self._merged: dict[str, TraceSetting] = {"": self._start}
        self.on_change: list[Callable[[], None]] = []

    @property
    def is_on(self) -> bool:
        """Whether a request of any model may be traced."""
        return any(s.levels and (s.count or s.mode == OPENTELEMETRY) for s in self._merged.values())

    def of(self, model: str = "") -> TraceSetting:
        return self._merged.get(model) or self._merged[""]

    def update(self, model: str, changes: Mapping[str, Change]) -> None:
        """Change a model's settings, or those of all models for "". Raises INVALID_ARG; nothing has then changed."""
        own = dict(self._own.get(model, {}))
        for name, value in changes.items():
            assert name in _CHANGEABLE
            if value is None:
                own.pop(name, None)
            else:
                own[name] = value
        merged = dict(self._merged)
        if model and not own:
            self._own.pop(model, None)
            self._merged.pop(model, None)
            self._changed()
            return
        merged[model] = _checked(replace(merged[""] if model else self._start, **own))  # type: ignore[arg-type]
        if not model:
            for other, values in self._own.items():
                if other:
                    merged[other] = _checked(replace(merged[""], **values))  # type: ignore[arg-type]
        self._own[model], self._merged = own, merged
        self._changed()

    def spend(self, model: str) -> None:
        """A trace was taken: one less is left, of the model's own or else of all models'."""
        where = model if model in self._merged else ""
        setting = self._merged[where]
        if setting.count <= 0:
            return
        left = setting.count - 1
        self._merged[where] = replace(setting, count=left)
        self._own[where] = {**self._own[where], "count": left}
        if not left:
            self._changed()

    def _changed(self) -> None:
        for call in self.on_change:
            call()


def _checked(setting: TraceSetting) -> TraceSetting:
    """The only setting that may not work is one that traces nothing."""
    if setting.levels:
        what = ""
        if not setting.rate and setting.mode == TRITON:
            what = "sample rate must be non-zero"
        elif setting.mode == TRITON and not setting.file:
            what = "trace file name is not given"
        if what:
            raise invalid(f"Attempting to set invalid trace setting :{what}")
    return setting
