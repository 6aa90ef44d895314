"""Traces to where they go, on a thread of its own: Triton's JSON files, or OpenTelemetry's spans to a collector."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from pathlib import Path
from typing import Any, Protocol

import orjson

from burnish.serve.observe.trace import Trace, data_text
from burnish.serve.observe.trace_settings import OPENTELEMETRY, OpenTelemetryOptions, TraceSetting

log = logging.getLogger("burnish.serve")
_MOST_WAITING = 10_000  # traces; what comes beyond is counted and dropped


class Sink(Protocol):
    def write(self, setting: TraceSetting, trace: Trace) -> None: ...

    def close(self) -> None: ...


class WriteTraces:
    """write: from the loop's thread, at the cost of a queue's `put`. dropped: traces for which there was no room."""

    def __init__(self, options: OpenTelemetryOptions | None = None) -> None:
        self._options = options or OpenTelemetryOptions()
        self._queue: queue.SimpleQueue[tuple[TraceSetting, Trace] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def write(self, setting: TraceSetting, trace: Trace) -> None:
        if self._queue.qsize() >= _MOST_WAITING:
            self.dropped += 1
            return
        self._queue.put((setting, trace))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="burnish-traces", daemon=True)
            self._thread.start()

    def close(self, patience_s: float = 5.0) -> None:
        """Write what is there; blocks for that long at most."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(patience_s)
            self._thread = None

    def _run(self) -> None:
        sinks: dict[str, Sink] = {}
        while (item := self._queue.get()) is not None:
            setting, trace = item
            try:
                sink = sinks.get(setting.mode)
                if sink is None:
                    sink = sinks[setting.mode] = self._open(setting)
                sink.write(setting, trace)
            except Exception as error:  # a full disk, a folder that is gone: traces are lost, the server goes on
                log.warning("a trace could not be written: %s", error)
        for sink in sinks.values():
            with contextlib.suppress(Exception):
                sink.close()

    def _open(self, setting: TraceSetting) -> Sink:
        if setting.mode == OPENTELEMETRY:
            from burnish.serve.observe.open_telemetry import SpanSink  # the SDK takes 0.2 s to import

            return SpanSink(self._options)
        return FileSink()


class FileSink:
    """Triton's form: an array of objects. The file is complete after each trace.

    With a log frequency of N a new file begins every N traces: FILE.0, FILE.1 and so on.
    """

    def __init__(self) -> None:
        self._file: Any = None
        self._path: Path | None = None
        self._counts: dict[str, int] = {}  # traces so far, by the file's name in the setting

    def write(self, setting: TraceSetting, trace: Trace) -> None:
        count = self._counts.get(setting.file, 0)
        path = Path(f"{setting.file}.{count // setting.log_frequency}" if setting.log_frequency else setting.file)
        if path != self._path or self._file is None:
            self._begin(path, is_new=count == 0 or setting.log_frequency != 0)
        text = b",".join(orjson.dumps(entry) for part in trace.all() for entry in entries(part, setting))
        self._file.seek(-1, 2)  # over the closing bracket
        self._file.write((b"," if self._file.tell() > 1 else b"") + text + b"]")
        self._file.flush()
        self._counts[setting.file] = count + 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self, path: Path, is_new: bool) -> None:
        self.close()
        if is_new or not path.exists():
            path.write_bytes(b"[]")
        self._file, self._path = path.open("r+b"), path


def entries(trace: Trace, setting: TraceSetting) -> list[dict[str, Any]]:
    head: dict[str, Any] = {"id": trace.id, "model_name": trace.model, "model_version": trace.version}
    if trace.request_id:
        head["request_id"] = trace.request_id
    if trace.parent_id:
        head["parent_id"] = trace.parent_id
    found = [head]
    if "TIMESTAMPS" in setting.levels:
        found += [{"id": trace.id, "timestamps": [{"name": name, "ns": ns}]} for name, ns in trace.stamps]
    for activity, tensor in trace.tensors:
        shown = {
            "name": tensor.name,
            "data": data_text(tensor),
            "shape": ",".join(map(str, tensor.shape)),
            "dtype": tensor.datatype,
        }
        found.append({"id": trace.id, "activity": activity, "tensor": shown})
    return found
