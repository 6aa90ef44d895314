"""Trace and log settings: shown, and changed while the server runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from burnish.serve.core.server import Server
from burnish.serve.http.text.parse import parse_json
from burnish.serve.http.text.words import MISSING, as_array, as_bool, as_string, as_uint, find
from burnish.serve.http.wire.exchange import Exchange
from burnish.serve.observe.log_settings import FORMATS, LogSetting, LogSettings
from burnish.serve.observe.read_trace import NUMBERS, read_levels, read_number
from burnish.serve.observe.trace_settings import OFF, Change, TraceSettings
from burnish.serve.request import NEWEST
from burnish.serve.status import Code, ServeError, invalid

_UINT32 = 1 << 32


class SettingsRoutes:
    def __init__(self, server: Server, traces: TraceSettings, logs: LogSettings) -> None:
        self._server, self._traces, self._logs = server, traces, logs

    def trace(self, exchange: Exchange, model: str = "") -> None:
        if model and not self._server.repository.is_ready(model, NEWEST):
            raise invalid(f"Request for unknown model : {model}")
        if exchange.method == b"POST":
            self._traces.update(model, _trace_changes(parse_json(exchange.body)))
        setting = self._traces.of(model)
        shown: dict[str, Any] = {
            "trace_level": setting.shown_levels,
            "trace_rate": str(setting.rate),
            "trace_count": str(setting.count),
        }
        if setting.mode == "triton":
            shown |= {"log_frequency": str(setting.log_frequency), "trace_file": setting.file}
        exchange.answer_json(shown | {"trace_mode": setting.mode})

    def logging(self, exchange: Exchange) -> None:
        if exchange.method == b"POST":
            self._change_logs(parse_json(exchange.body))
        setting = self._logs.setting
        exchange.answer_json(
            {
                "log_file": setting.file,
                "log_info": setting.info,
                "log_warning": setting.warning,
                "log_error": setting.error,
                "log_verbose_level": setting.verbose_level,
                "log_format": setting.format,
            }
        )

    def _change_logs(self, body: Any) -> None:
        """One after the other: what stands before a fault is changed."""
        if _given(body, "log_file") is not None:
            raise ServeError(Code.UNSUPPORTED, "log file location can not be updated through network protocol")
        for name in ("info", "warning", "error"):
            value = _given(body, f"log_{name}")
            if value is not None:
                self._set_log(**{name: as_bool(value)})
        level = _given(body, "log_verbose_level")
        if level is not None:
            number = as_uint(level) % _UINT32
            self._set_log(verbose_level=number if number < _UINT32 // 2 else 0)  # a negative one for Triton
        form = _given(body, "log_format")
        if form is not None:
            if as_string(form) not in FORMATS:
                raise ServeError(Code.UNAVAILABLE, f"invalid argument for --log_format, got: {form}")
            self._set_log(format=form)

    def _set_log(self, **changes: Any) -> None:
        setting: LogSetting = replace(self._logs.setting, **changes)
        self._logs.setting = setting


def _given(body: Any, key: str) -> Any:
    """A member; null counts as none."""
    value = find(body, key)
    return None if value is MISSING else value


def _trace_changes(body: Any) -> dict[str, Change]:
    if find(body, "trace_file") is not MISSING:
        raise ServeError(Code.UNSUPPORTED, "trace file location can not be updated through network protocol")
    changes: dict[str, Change] = {}
    levels = find(body, "trace_level")
    if levels is None:
        changes["levels"] = None
    elif levels is not MISSING:
        found = read_levels(_level_names(as_array(levels)))
        if found is not None:
            changes["levels"] = found
    for key, name in NUMBERS.items():
        value = find(body, key)
        if value is not MISSING:
            changes[name] = None if value is None else read_number(key, as_string(value))
    return changes


def _level_names(given: list[Any]) -> list[str]:
    """One after the other, up to OFF: it is refused beside others before these are looked at."""
    if OFF not in given:
        return [as_string(level) for level in given]
    place = given.index(OFF)
    return [as_string(level) for level in given[:place]] + [OFF] * (len(given) - place)
