"""The log as the settings say: where to, which levels, in which form; applied at once when a client changes them.

Forms: `default` and `ISO8601` as Triton writes them, `text` for people, and `json`, an object a line with all fields.
Verbose level 1 logs every request with its id, 2 also what the server's own parts tell when they are debugged.
"""

from __future__ import annotations

import datetime
import logging
import logging.handlers
import sys
import time
from typing import Any

import orjson

from burnish.serve.observe.log_settings import LogSetting, LogSettings

ROOT = "burnish"


class WriteLog:
    """Takes over the logger of this package until it is closed."""

    def __init__(self, settings: LogSettings) -> None:
        self._logger = logging.getLogger(ROOT)
        self._before = (self._logger.handlers, self._logger.level, self._logger.propagate)
        self._handler: logging.Handler | None = None
        self._file: str | None = None
        self._settings = settings
        settings.on_change.append(self._apply)
        self._apply(settings.setting)

    def close(self) -> None:
        self._settings.on_change.remove(self._apply)
        self._remove()
        self._logger.handlers = self._before[0]
        self._logger.setLevel(self._before[1])
        self._logger.propagate = self._before[2]

    def _apply(self, setting: LogSetting) -> None:
        if self._handler is None or setting.file != self._file:
            handler = _open(setting.file)
            self._remove()
            self._handler, self._file = handler, setting.file
            self._logger.handlers = [handler]
        self._handler.setFormatter(_FORMS[setting.format]())
        self._handler.filters[:] = [_Levels(setting)]
        self._logger.setLevel(logging.DEBUG if setting.verbose_level > 1 else logging.INFO)
        self._logger.propagate = False

    def _remove(self) -> None:
        if self._handler is not None:
            self._handler.close()
            self._handler = None


def _open(file: str) -> logging.Handler:
    if not file:
        return _Stream(sys.stderr)
    return _File(file, encoding="utf-8", errors="backslashreplace")  # looks whether the file was moved away


class _Quiet(logging.Handler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk or a closed pipe costs lines of the log and nothing else."""


class _Stream(_Quiet, logging.StreamHandler[Any]):
    pass


class _File(_Quiet, logging.handlers.WatchedFileHandler):
    pass


class _Levels(logging.Filter):
    """info, warning and error are switched each for itself."""

    def __init__(self, setting: LogSetting) -> None:
        super().__init__()
        self._setting = setting

    def filter(self, record: logging.LogRecord) -> bool:
        level = record.levelno
        if level >= logging.ERROR:
            return self._setting.error
        if level >= logging.WARNING:
            return self._setting.warning
        return self._setting.info


class _Plain(logging.Formatter):
    """`I1130 12:23:25.123456 4711 run.py:70] "message"`, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        return f'{record.levelname[0]}{self._time(record)} {record.process} {_where(record)}] "{_text(self, record)}"'

    def _time(self, record: logging.LogRecord) -> str:
        return time.strftime("%m%d %H:%M:%S", time.localtime(record.created)) + f".{int(record.created % 1 * 1e6):06d}"


class _Iso(_Plain):
    """`2026-11-30T12:23:25Z I 4711 run.py:70] "message"`."""

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        return f'{when} {record.levelname[0]} {record.process} {_where(record)}] "{_text(self, record)}"'


class _Text(logging.Formatter):
    """`12:23:25 INFO message`, in local time; a traceback stands below it as usual."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="microseconds")
        line: dict[str, Any] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _where(record: logging.LogRecord) -> str:
    return f"{record.filename}:{record.lineno}"


def _text(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """On one line, for a message may hold what a client sent."""
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + formatter.formatException(record.exc_info)
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\r", r"\r").replace("\n", r"\n")


_FORMS: dict[str, type[logging.Formatter]] = {"default": _Plain, "ISO8601": _Iso, "text": _Text, "json": _Json}
