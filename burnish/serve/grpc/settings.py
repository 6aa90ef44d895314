"""TraceSetting and LogSettings: what is traced and logged, asked and changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from burnish.serve.core.server import Server
from burnish.serve.observe.log_settings import FORMATS, LogSettings
from burnish.serve.observe.read_trace import NUMBERS, read_levels, read_number
from burnish.serve.observe.trace_settings import Change, TraceSettings
from burnish.serve.proto import grpc_service_pb2 as pb
from burnish.serve.status import Code, ServeError, invalid

_FLAGS = ("info", "warning", "error")
_VERBOSE, _FORMAT = "log_verbose_level", "log_format"


class Settings:
    """Each method is named as its gRPC method is."""

    def __init__(self, server: Server, traces: TraceSettings, logs: LogSettings) -> None:
        self._server, self._traces, self._logs = server, traces, logs

    def TraceSetting(self, asked: Any) -> Any:
        model = asked.model_name
        if model and not self._server.repository.is_ready(model):
            raise invalid(f"Request for unknown model : {model}")
        if asked.settings:
            self._traces.update(model, _trace_changes(asked.settings))
        setting = self._traces.of(model)
        shown = {
            "trace_level": setting.shown_levels,
            "trace_rate": [str(setting.rate)],
            "trace_count": [str(setting.count)],
            "trace_mode": [setting.mode],
        }
        if setting.mode == "triton":
            shown |= {"log_frequency": [str(setting.log_frequency)], "trace_file": [setting.file]}
        answer = pb.TraceSettingResponse()
        for name, values in shown.items():
            answer.settings[name].value.extend(values)
        return answer

    def LogSettings(self, asked: Any) -> Any:
        """One after the other: what stands before a fault is changed."""
        given = asked.settings
        if "log_file" in given:
            raise ServeError(Code.UNSUPPORTED, "log file location can not be updated through network protocol")
        for flag in _FLAGS:
            if f"log_{flag}" in given:
                value = _value(given, f"log_{flag}", "bool_param", "boolean")
                self._logs.setting = replace(self._logs.setting, **{flag: value})
        if _VERBOSE in given:
            level = _value(given, _VERBOSE, "uint32_param", "int32")
            self._logs.setting = replace(self._logs.setting, verbose_level=level)
        if _FORMAT in given:
            form = _value(given, _FORMAT, "string_param", "string")
            if form not in FORMATS:
                raise invalid(f"invalid argument for log_format, got: {form}")
            self._logs.setting = replace(self._logs.setting, format=form)
        setting = self._logs.setting
        answer = pb.LogSettingsResponse()
        for flag in _FLAGS:
            answer.settings[f"log_{flag}"].bool_param = getattr(setting, flag)
        answer.settings[_VERBOSE].uint32_param = setting.verbose_level
        answer.settings[_FORMAT].string_param = setting.format
        answer.settings["log_file"].string_param = setting.file
        return answer


def _value(given: Mapping[str, Any], name: str, kind: str, spelled: str) -> Any:
    if given[name].WhichOneof("parameter_choice") != kind:
        raise invalid(f"expect {spelled} for '{name}'")
    return getattr(given[name], kind)


def _trace_changes(given: Mapping[str, Any]) -> dict[str, Change]:
    """A setting without a value falls back to what stands above it; names that are not known are passed over."""
    if "trace_file" in given:
        raise ServeError(Code.UNSUPPORTED, "trace file location can not be updated through network protocol")
    changes: dict[str, Change] = {}
    if "trace_level" in given:
        levels = [*given["trace_level"].value]
        found = read_levels(levels)
        if found is not None or not levels:
            changes["levels"] = found
    for key, name in NUMBERS.items():
        if key in given:
            values = given[key].value
            if len(values) > 1:
                raise invalid(f"expect only 1 value for '{key}'")
            changes[name] = read_number(key, values[0]) if values else None
    return changes
