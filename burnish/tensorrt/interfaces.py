"""Base classes for a user's script: loggers, profilers, recorders, monitors, allocators.

Burnish calls `log`, `report_layer_time`, `report_error`, `phase_start` ... where TensorRT would. Memory allocators and
INT8 calibrators can be derived from and passed, so that a script's own classes load; the log says how they are used.
"""

from __future__ import annotations

import sys
import time

from burnish.errors import BurnishError, UserError
from burnish.tensorrt.enums import TensorRTEnum

__all__ = [
    "IErrorRecorder", "IGpuAllocator", "IInt8Calibrator", "IInt8EntropyCalibrator", "IInt8EntropyCalibrator2",
    "IInt8LegacyCalibrator", "IInt8MinMaxCalibrator", "ILogger", "IOutputAllocator", "IProfiler", "IProgressMonitor",
    "Logger", "Profiler",
]  # fmt: skip


def _undefined(self: object, method: str) -> UserError:
    return UserError("E651", f"{type(self).__name__} does not define {method}", hint="define it in your class")


class Severity(TensorRTEnum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    """Derive from it and define `log(severity, msg)`."""

    Severity = Severity
    INTERNAL_ERROR, ERROR, WARNING = Severity.INTERNAL_ERROR, Severity.ERROR, Severity.WARNING
    INFO, VERBOSE = Severity.INFO, Severity.VERBOSE

    def log(self, severity: TensorRTEnum, msg: str) -> None:
        raise _undefined(self, "log(severity, msg)")


class Logger(ILogger):
    """Prints messages of at least `min_severity` to stderr."""

    def __init__(self, min_severity: Severity = Severity.WARNING) -> None:
        super().__init__()
        self.min_severity = min_severity

    def log(self, severity: TensorRTEnum, msg: str) -> None:
        if int(severity) <= int(self.min_severity):
            letter = "E" if severity in (Severity.ERROR, Severity.INTERNAL_ERROR) else severity.name[0]
            print(f"[{time.strftime('%m/%d/%Y-%H:%M:%S')}] [Burnish] [{letter}] {msg}", file=sys.stderr)


class IProfiler:
    """Derive from it and define `report_layer_time(layer_name, ms)`."""

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        raise _undefined(self, "report_layer_time(layer_name, ms)")


class Profiler(IProfiler):
    """Prints the time of every layer."""

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        print(f"{layer_name}: {ms:.3f}ms")


class IErrorRecorder:
    """Derive from it and define `report_error(code, desc)` and the questions about what was recorded."""

    MAX_DESC_LENGTH = 127

    def report_error(self, code: int, desc: str) -> bool:
        raise _undefined(self, "report_error(code, desc)")


class IProgressMonitor:
    """Derive from it and define the three; `step_complete` returns False to stop the build."""

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise _undefined(self, "phase_start")

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise _undefined(self, "step_complete")

    def phase_finish(self, phase_name: str) -> None:
        raise _undefined(self, "phase_finish")


class IOutputAllocator:
    """Derive from it to receive outputs of a size that only the run tells; reallocate_output returns an address."""

    def reallocate_output(self, tensor_name: str, memory: int | None, size: int, alignment: int) -> int:
        raise _undefined(self, "reallocate_output")

    def notify_shape(self, tensor_name: str, shape: object) -> None:
        raise _undefined(self, "notify_shape")


class IGpuAllocator:
    """Accepted and not called on the CPU target, where a context allocates one arena when it is made."""


class IInt8Calibrator:
    """Accepted; INT8 is not there yet, and the build says so."""


class IInt8LegacyCalibrator(IInt8Calibrator):
    pass


class IInt8EntropyCalibrator(IInt8Calibrator):
    pass


class IInt8EntropyCalibrator2(IInt8Calibrator):
    pass


class IInt8MinMaxCalibrator(IInt8Calibrator):
    pass


def report(logger: ILogger, error: BurnishError, recorder: IErrorRecorder | None = None) -> None:
    """Tell the user's logger and recorder, as TensorRT does before a call answers None or False."""
    logger.log(Severity.INTERNAL_ERROR if error.exit_code == 4 else Severity.ERROR, str(error))
    if recorder is not None:
        recorder.report_error(int(error.code[1:]), error.what[: recorder.MAX_DESC_LENGTH])
