"""What is logged: the settings of the protocol's logging extension."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogSetting:
    file: str = ""
    info: bool = True
    warning: bool = True
    error: bool = True
    verbose_level: int = 0
    format: str = "default"


FORMATS = ("default", "ISO8601", "text", "json")  # the first two are Triton's


class LogSettings:
    """on_change: whoever writes the log, told of every new setting."""

    def __init__(self, setting: LogSetting | None = None) -> None:
        self._setting = setting or LogSetting()
        self.on_change: list[Callable[[LogSetting], None]] = []

    @property
    def setting(self) -> LogSetting:
        return self._setting

    @setting.setter
    def setting(self, setting: LogSetting) -> None:
        self._setting = setting
        for call in self.on_change:
            call(setting)
