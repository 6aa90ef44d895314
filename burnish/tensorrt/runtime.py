"""Runtime: the bytes of a plan become an engine."""

from __future__ import annotations

from typing import Any

from burnish import plan as plans
from burnish.errors import BurnishError, UserError
from burnish.tensorrt.engine import ICudaEngine
from burnish.tensorrt.enums import TempfileControlFlag
from burnish.tensorrt.interfaces import IErrorRecorder, IGpuAllocator, ILogger, Severity, report
from burnish.tensorrt.managed import Managed

__all__ = ["Runtime", "init_libnvinfer_plugins"]


class Runtime(Managed):
    """Runtime(logger). A plan that cannot be loaded is logged, and the answer is None."""

    num_DLA_cores = 0

    def __init__(self, logger: ILogger) -> None:
        self.logger = logger
        self.error_recorder: IErrorRecorder | None = None
        self.gpu_allocator: IGpuAllocator | None = None
        self.DLA_core = -1
        self.max_threads = 0
        self.temporary_directory = ""
        self.tempfile_control_flags = TempfileControlFlag.ALLOW_IN_MEMORY_FILES.bit
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, serialized_engine: Any) -> ICudaEngine | None:
        """From anything with a buffer. Contexts use `max_threads` threads; 0 means all cores."""
        try:
            if serialized_engine is None:
                raise UserError("E654", "there is no plan to load", why="None was given", hint="did the build succeed?")
            plan = plans.read(_bytes_of(serialized_engine))
            return ICudaEngine(plan, self.logger, self.max_threads or None)
        except BurnishError as error:
            report(self.logger, error, self.error_recorder)
            return None

    def load_runtime(self, path: str) -> Runtime:
        """This runtime: a plan needs no runtime library of its own version."""
        return self

    def get_plugin_registry(self) -> Any:
        raise UserError("E656", "Burnish has no plugins", hint="define the operator: docs/adding-an-operator.md")


def _bytes_of(serialized_engine: Any) -> bytes:
    try:
        return bytes(memoryview(serialized_engine))
    except TypeError:
        kind = type(serialized_engine).__name__
        raise UserError("E654", f"a plan cannot be read from a {kind}", hint="pass the bytes of the file") from None


def init_libnvinfer_plugins(logger: ILogger | None = None, namespace: str = "") -> bool:
    """True: there is no plugin library to load, and ONNX's own operators need none."""
    if logger is not None:
        logger.log(Severity.VERBOSE, "Burnish has no plugin library; ONNX's operators are built in")
    return True
