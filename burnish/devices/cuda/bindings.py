"""The driver, through cuda.bindings: one method for each driver call, and every result is checked.

Nothing of CUDA is imported before a GPU is asked for.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from burnish.devices.cuda.driver import Facts, Parameter
from burnish.devices.cuda.failure import NO_DEVICE, failure, no_bindings, no_driver, no_gpu
from burnish.devices.cuda.parameters import MapEncoder, pack
from burnish.errors import EnvironmentProblem

OLDEST_CUDA = 12000
_SHARED, _MULTIPROCESSORS, _MAJOR, _MINOR = 97, 16, 75, 76  # CUdevice_attribute; shared: what a block can opt in to
_NON_BLOCKING, _NO_TIMING, _PORTABLE, _EXTERNAL, _RELAXED = 1, 2, 1, 1, 2
_LEGACY_STREAM = 1  # copies without a stream go to this one; our streams do not wait for it
OVERLAPPING = (9, 0)  # from this capability on, a launch may begin before the previous one ends
_USUAL_SHARED_BYTES = 48 << 10
_AS_IT_IS = nullcontext()


@functools.cache
def bindings() -> Any:
    """cuda.bindings.driver, initialised. E833 not installed; E834 no driver, or too old; E835 no GPU."""
    try:
        cu = importlib.import_module("cuda.bindings.driver")
    except ImportError as error:
        raise no_bindings(str(error)) from error
    try:
        number, version = int(cu.cuInit(0)[0]), int(cu.cuDriverGetVersion()[1])
    except (RuntimeError, OSError) as error:  # the bindings found no libcuda
        raise no_driver(str(error)) from error
    if number == NO_DEVICE:
        raise no_gpu(0, 0)
    if number or version < OLDEST_CUDA:
        raise no_driver(
            f"it answers with error {number}" if number else f"it knows CUDA up to {version // 1000}, 12.0 is needed"
        )
    return cu


def count_gpus() -> int:
    """E833 .. E835 if there is none."""
    count = int(bindings().cuDeviceGetCount()[1])
    if not count:
        raise no_gpu(0, 0)
    return count


@dataclass(frozen=True, slots=True)
class _Prepared:
    config: Any
    function: Any
    address: int
    keep: object


class BoundDriver:
    """See driver.Driver. The context is the GPU's primary one, shared with whatever else runs in this process."""

    def __init__(self, number: int) -> None:
        self._cu = cu = bindings()
        self.number = number
        if not 0 <= number < (count := count_gpus()):
            raise no_gpu(number, count)
        self._name = f"cuda:{number}"
        self._device = self._ask(cu.cuDeviceGet(number), "find the GPU")
        self._context = self._ask(cu.cuDevicePrimaryCtxRetain(self._device), "open a context on the GPU")
        self._context_number = int(self._context)
        self.facts = self._facts()
        self._encode: MapEncoder | None = None

    def _facts(self) -> Facts:
        cu, device = self._cu, self._device
        name = self._ask(cu.cuDeviceGetName(128, device), "ask the GPU's name")
        major, minor, processors, shared = (
            int(self._ask(cu.cuDeviceGetAttribute(cu.CUdevice_attribute(a), device), "ask about the GPU"))
            for a in (_MAJOR, _MINOR, _MULTIPROCESSORS, _SHARED)
        )
        total = int(self._ask(cu.cuDeviceTotalMem(device), "ask the GPU's memory"))
        text = name.partition(b"\0")[0].decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        version = int(self._ask(cu.cuDriverGetVersion(), "ask the driver's version"))
        uuid = bytes(self._ask(cu.cuDeviceGetUuid(device), "ask the GPU's UUID").bytes).hex()
        return Facts(text, (major, minor), version, processors, total, shared, uuid)

    def current(self) -> AbstractContextManager[object]:
        """A thread that used no GPU before is left on GPU 0, as other libraries expect; else nothing changes."""
        result, found = self._cu.cuCtxGetCurrent()
        if not result:
            if int(found) == self._context_number:
                return _AS_IT_IS
            if not int(found) and self.number == 0:
                self._ask(self._cu.cuCtxSetCurrent(self._context), "use the GPU's context")
                return _AS_IT_IS
        return self

    def __enter__(self) -> None:
        self._ask(self._cu.cuCtxPushCurrent(self._context), "use the GPU's context")

    def __exit__(self, *_: object) -> None:
        self._cu.cuCtxPopCurrent()

    # memory

    def memory(self) -> tuple[int, int]:
        free, total = self._ask(self._cu.cuMemGetInfo(), "ask for free memory")
        return int(free), int(total)

    def allocate(self, size_bytes: int) -> int:
        return int(self._ask(self._cu.cuMemAlloc(size_bytes), f"allocate {size_bytes / 2**20:.1f} MiB"))

    def free(self, address: int) -> None:
        self._ask(self._cu.cuMemFree(address), "free memory")

    def allocate_pinned(self, size_bytes: int) -> int:
        answer = self._cu.cuMemHostAlloc(size_bytes, _PORTABLE)
        return int(self._ask(answer, f"allocate {size_bytes / 2**20:.1f} MiB of pinned host memory"))

    def free_pinned(self, address: int) -> None:
        self._ask(self._cu.cuMemFreeHost(address), "free pinned memory")

    def upload(self, address: int, host: int, size_bytes: int) -> None:
        self._ask(self._cu.cuMemcpyHtoD(address, host, size_bytes), "copy to the GPU")
        self._ask(self._cu.cuStreamSynchronize(_LEGACY_STREAM), "wait for the GPU")  # the copy may still be under way

    def download(self, host: int, address: int, size_bytes: int) -> None:
        self._ask(self._cu.cuMemcpyDtoH(host, address, size_bytes), "copy from the GPU")

    def copy_in(self, address: int, pinned: int, size_bytes: int, stream: int) -> None:
        self._ask(self._cu.cuMemcpyHtoDAsync(address, pinned, size_bytes, stream), "copy to the GPU")

    def copy_out(self, pinned: int, address: int, size_bytes: int, stream: int) -> None:
        self._ask(self._cu.cuMemcpyDtoHAsync(pinned, address, size_bytes, stream), "copy from the GPU")

    def copy(self, target: int, source: int, size_bytes: int, stream: int) -> None:
        self._ask(self._cu.cuMemcpyDtoDAsync(target, source, size_bytes, stream), "copy on the GPU")

    def zero(self, address: int, size_bytes: int, stream: int) -> None:
        self._ask(self._cu.cuMemsetD8Async(address, 0, size_bytes, stream), "zero memory")

    # code

    def load(self, code: Any) -> Any:
        return self._ask(self._cu.cuModuleLoadData(bytes(code)), "load a kernel")

    def unload(self, module: Any) -> None:
        self._ask(self._cu.cuModuleUnload(module), "unload a kernel")

    def function(self, module: Any, entry: str, shared_bytes: int) -> Any:
        function = self._ask(self._cu.cuModuleGetFunction(module, entry.encode()), f"find the kernel '{entry}'")
        if shared_bytes > _USUAL_SHARED_BYTES:
            which = self._cu.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            doing = f"give kernel '{entry}' {shared_bytes} bytes of shared memory, of {self.facts.shared_bytes}"
            self._ask(self._cu.cuFuncSetAttribute(function, which, shared_bytes), doing)
        return function

    def prepare(
        self,
        function: Any,
        grid: tuple[int, int, int],
        threads: int,
        shared_bytes: int,
        parameters: Sequence[Parameter],
        overlaps: bool,
        stream: int,
    ) -> _Prepared:
        config = self._cu.CUlaunchConfig()
        config.gridDimX, config.gridDimY, config.gridDimZ = grid
        config.blockDimX, config.blockDimY, config.blockDimZ = threads, 1, 1
        config.sharedMemBytes, config.hStream = shared_bytes, stream
        if overlaps and self.facts.capability >= OVERLAPPING:
            attribute = self._cu.CUlaunchAttribute()
            ids = self._cu.CUlaunchAttributeID
            attribute.id = ids.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
            attribute.value.programmaticStreamSerializationAllowed = 1
            config.attrs, config.numAttrs = [attribute], 1
        address, keep = pack(parameters, lambda tensor, place: self._map_encoder(tensor, place))
        return _Prepared(config, function, address, keep)

    def launch(self, prepared: _Prepared) -> None:
        answer = self._cu.cuLaunchKernelEx(prepared.config, prepared.function, prepared.address, 0)
        if answer[0]:
            self._ask(answer, "launch a kernel")

    # streams, events, graphs

    def stream(self) -> int:
        return int(self._ask(self._cu.cuStreamCreate(_NON_BLOCKING), "make a stream"))

    def destroy_stream(self, stream: int) -> None:
        self._ask(self._cu.cuStreamDestroy(stream), "destroy a stream")

    def synchronize(self, stream: int) -> None:
        self._ask(self._cu.cuStreamSynchronize(stream), "wait for the GPU")

    def synchronize_all(self) -> None:
        self._ask(self._cu.cuCtxSynchronize(), "wait for the GPU")

    def event(self, is_timed: bool = False) -> Any:
        return self._ask(self._cu.cuEventCreate(0 if is_timed else _NO_TIMING), "make an event")

    def destroy_event(self, event: Any) -> None:
        self._ask(self._cu.cuEventDestroy(event), "destroy an event")

    def record(self, event: Any, stream: int) -> None:
        capturing = self._ask(self._cu.cuStreamIsCapturing(stream), "ask about a stream")
        flags = _EXTERNAL if int(capturing) else 0
        self._ask(self._cu.cuEventRecordWithFlags(event, stream, flags), "record an event")

    def wait_for(self, event: Any, stream: int) -> None:
        self._ask(self._cu.cuStreamWaitEvent(stream, event, 0), "make a stream wait")

    def synchronize_event(self, event: Any) -> None:
        self._ask(self._cu.cuEventSynchronize(event), "wait for the GPU")

    def elapsed(self, start: Any, end: Any) -> float:
        return float(self._ask(self._cu.cuEventElapsedTime(start, end), "read the clock"))

    def begin_capture(self, stream: int) -> None:
        mode = self._cu.CUstreamCaptureMode(_RELAXED)  # memory may be freed by other threads meanwhile
        self._ask(self._cu.cuStreamBeginCapture(stream, mode), "begin a capture")

    def end_capture(self, stream: int) -> Any:
        graph = self._ask(self._cu.cuStreamEndCapture(stream), "end a capture")
        try:
            return self._ask(self._cu.cuGraphInstantiate(graph, 0), "make a graph")
        finally:
            self._ask(self._cu.cuGraphDestroy(graph), "destroy a graph")

    def abandon_capture(self, stream: int) -> None:
        answer = self._cu.cuStreamEndCapture(stream)
        if not answer[0] and int(answer[1]):
            self._cu.cuGraphDestroy(answer[1])

    def launch_graph(self, graph: Any, stream: int) -> None:
        answer = self._cu.cuGraphLaunch(graph, stream)
        if answer[0]:
            self._ask(answer, "launch a graph")

    def destroy_graph(self, graph: Any) -> None:
        self._ask(self._cu.cuGraphExecDestroy(graph), "destroy a graph")

    @property
    def _map_encoder(self) -> MapEncoder:
        """The driver's own function. The one in the bindings may write the map to an address with wrong alignment."""
        if self._encode is None:
            answer = self._cu.cuGetProcAddress(b"cuTensorMapEncodeTiled", OLDEST_CUDA, 0)
            address = int(self._ask(answer, "find cuTensorMapEncodeTiled")[0])
            self._encode = MapEncoder(address, self._refuse)
        return self._encode

    def _refuse(self, number: int, doing: str) -> None:
        self._ask((self._cu.CUresult(number),), doing)

    def _ask(self, answer: tuple[Any, ...], doing: str) -> Any:
        """The result of a call, without its result code."""
        if not answer[0]:
            return answer[1] if len(answer) == 2 else answer[1:]
        error = failure(int(answer[0]), answer[0].name, doing, self._name)
        if error.code == "E520":
            error = self._with_memory(error)
        raise error

    def _with_memory(self, error: Any) -> EnvironmentProblem:
        result, free, total = self._cu.cuMemGetInfo()
        free_text = "" if result else f"; {int(free) / 2**20:.0f} of {int(total) / 2**20:.0f} MiB are free"
        return EnvironmentProblem("E520", error.what, why=error.why + free_text, hint=error.hint)


@functools.cache
def bound_driver(number: int) -> BoundDriver:
    """One driver for each GPU and process. The GPU's context takes some hundred MB; it is opened once and stays."""
    return BoundDriver(number)
