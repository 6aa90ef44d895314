"""Base classes for a user's script: loggers, profilers, recorders, monitors, allocators.

Burnish calls `log`, `report_layer_time`, `report_error`, `phase_start`, `get_batch` ... where TensorRT would. Memory
allocators can be derived from and passed, so that a script's own classes load; they are not called.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from burnish.errors import BurnishError, UserError
from burnish.tensorrt.enums import CalibrationAlgoType, TensorRTEnum

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
    """Derive from one of the four below and define the four. A build with BuilderFlag.INT8 calls them as TensorRT does:
    the cache first; batches only if it gives none; then the new cache is handed over."""

    def get_batch_size(self) -> int:
        raise _undefined(self, "get_batch_size()")

    def get_batch(self, names: list[str]) -> Sequence[Any] | None:
        """An address for each input, in the order of their names; None or an empty list at the end."""
        raise _undefined(self, "get_batch(names)")

    def read_calibration_cache(self) -> bytes | None:
        """What `write_calibration_cache` got in an earlier build; None: calibrate."""
        return None

    def write_calibration_cache(self, cache: bytes) -> None:
        """Keep it, if you like."""

    def get_algorithm(self) -> CalibrationAlgoType:
        raise _undefined(self, "get_algorithm(): it derives from none of the four calibrators")


class IInt8LegacyCalibrator(IInt8Calibrator):
    def get_quantile(self) -> float:
        """The share of the numbers that stays inside the range."""
        return 0.9999

    def get_regression_cutoff(self) -> float:
        """Not asked for: the range is the quantile's."""
        return 1.0

    def get_algorithm(self) -> CalibrationAlgoType:
        return CalibrationAlgoType.LEGACY_CALIBRATION


class IInt8EntropyCalibrator(IInt8Calibrator):
    def get_algorithm(self) -> CalibrationAlgoType:
        return CalibrationAlgoType.ENTROPY_CALIBRATION


class IInt8EntropyCalibrator2(IInt8Calibrator):
    def get_algorithm(self) -> CalibrationAlgoType:
        return CalibrationAlgoType.ENTROPY_CALIBRATION_2


class IInt8MinMaxCalibrator(IInt8Calibrator):
    def get_algorithm(self) -> CalibrationAlgoType:
        return CalibrationAlgoType.MINMAX_CALIBRATION


def report(logger: ILogger, error: BurnishError, recorder: IErrorRecorder | None = None) -> None:
    """Tell the user's logger and recorder, as TensorRT does before a call answers None or False."""
    logger.log(Severity.INTERNAL_ERROR if error.exit_code == 4 else Severity.ERROR, str(error))
    if recorder is not None:
        recorder.report_error(int(error.code[1:]), error.what[: recorder.MAX_DESC_LENGTH])
