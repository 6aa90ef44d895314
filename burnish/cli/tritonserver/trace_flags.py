"""What tritonserver's flags say of traces: `--trace-config`, and the five older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burnish.cli.tritonserver.read_flags import Given, bad, read_number

if TYPE_CHECKING:
    from burnish.serve.observe.trace_settings import OpenTelemetryOptions, TraceSetting

MODES = ("triton", "opentelemetry")
LEVELS = ("OFF", "TIMESTAMPS", "TENSORS", "MIN", "MAX")
OLDER = {
    "trace-level": ("", "level"),
    "trace-rate": ("", "rate"),
    "trace-count": ("", "count"),
    "trace-file": ("triton", "file"),
    "trace-log-frequency": ("triton", "log-frequency"),
}
_NUMBERS = ("bsp_max_queue_size", "bsp_schedule_delay", "bsp_max_export_batch_size")
TAKES = {
    "": ("level", "rate", "count", "mode"),
    "triton": ("file", "log-frequency"),
    "opentelemetry": ("url", "resource", *_NUMBERS),
}


def trace_setting(given: Given) -> TraceSetting:
    """E648 for a setting that there is not, and for a value that it does not take."""

    from burnish.serve.observe.trace_settings import TraceSetting

    settings = _settings(given)
    last = {key: values[-1] for key, values in settings.items()}
    mode = last.get(("", "mode"), "triton")
    if mode not in MODES:
        raise bad("trace-config", f"mode={mode}", "the mode is triton or opentelemetry")
    return TraceSetting(
        levels=_levels(settings.get(("", "level"), [])),
        rate=_number(last, "", "rate", 1000),
        count=_number(last, "", "count", -1, -1),
        log_frequency=_number(last, "triton", "log-frequency", 0),
        file=last.get(("triton", "file"), ""),
        mode=mode,
    )


def telemetry_of(given: Given) -> OpenTelemetryOptions:
    from burnish.serve.observe.trace_settings import OpenTelemetryOptions

    settings = _settings(given)
    last = {key: values[-1] for key, values in settings.items()}
    resource = {}
    for text in settings.get(("opentelemetry", "resource"), []):
        key, equals, value = text.partition("=")
        if not equals:
            raise bad("trace-config", f"opentelemetry,resource={text}", "a resource is KEY=VALUE")
        resource[key] = value
    numbers = {name: _number(last, "opentelemetry", name, -1) for name in _NUMBERS}
    return OpenTelemetryOptions(
        url=last.get(("opentelemetry", "url"), OpenTelemetryOptions.url),
        resource=resource,
        **{name: value for name, value in numbers.items() if value >= 0},
    )


def _settings(given: Given) -> dict[tuple[str, str], list[str]]:
    """(mode, or "" for all modes; setting) -> its values."""
    found: dict[tuple[str, str], list[str]] = {}
    for flag, key in OLDER.items():
        for value in given.all(flag):
            found.setdefault(key, []).append(value)
    for text in given.all("trace-config"):
        name, equals, value = text.partition("=")
        mode, comma, setting = name.partition(",")
        mode, setting = (mode, setting) if comma else ("", name)
        if not equals or setting not in TAKES.get(mode, ()):
            forms = [f"{mode}{',' if mode else ''}{setting}=" for mode, names in TAKES.items() for setting in names]
            raise bad("trace-config", text, f"it takes {', '.join(forms)}")
        found.setdefault((mode, setting), []).append(value)
    return found


def _levels(texts: list[str]) -> tuple[str, ...]:
    """In Triton's order. OFF takes back nothing; MIN and MAX are older names."""
    for text in texts:
        if text.upper() not in LEVELS:
            raise bad("trace-config", f"level={text}", "a level is OFF, TIMESTAMPS or TENSORS")
    names = {{"MIN": "TIMESTAMPS", "MAX": "TIMESTAMPS"}.get(t.upper(), t.upper()) for t in texts}
    return tuple(name for name in ("TIMESTAMPS", "TENSORS") if name in names)


def _number(last: dict[tuple[str, str], str], mode: str, name: str, otherwise: int, least: int = 0) -> int:
    text = last.get((mode, name))
    return otherwise if text is None else read_number(f"--trace-config {name}", text, least)
