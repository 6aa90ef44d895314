"""Find the NVIDIA GPUs of this machine through the driver alone. This never raises; it always gives a report.

Nothing of CUDA is imported before it is needed. If there is no GPU to run on, the report says which part is missing and
how to get it, so `burnish inspect env` works everywhere.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.target import ARCHITECTURES, Target

OLDEST_CUDA = 12000  # drivers of CUDA 12 (525 and later) load what Triton 3.6 compiles for sm_75 to sm_90a
OLDEST_CUDA_FOR = {"sm_100": 12080, "sm_120": 12080}  # the first drivers that know these chips
ONE_CHIP_SINCE = 9  # from this major number on, code uses the chip's own instructions, and runs on no later chip
_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76  # CUdevice_attribute
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
_NO_BINDINGS = "the driver's bindings are not installed", "pip install 'burnish[cuda]'"
_NO_DRIVER = "there is no NVIDIA driver", "install it, 525 or later; sm_100 and sm_120 need 570 or later"
_NO_GPU = "the driver sees no GPU", "look at nvidia-smi, and at CUDA_VISIBLE_DEVICES; a container needs --gpus all"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. memory_free_bytes is 0 if unknown. runs: the targets whose code it runs, the best first."""

    number: int
    name: str
    capability: tuple[int, int]
    multiprocessors: int
    memory_bytes: int
    memory_free_bytes: int
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GpuReport:
    """driver: its version, 580.65.06; cuda: the newest CUDA it knows, 13.0; problem, hint: why no GPU is usable."""

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    cuda: str = ""
    problem: str = ""
    hint: str = ""


class _Refused(Exception):
    """The driver answered with an error."""


def find_gpus(driver: Any = None) -> GpuReport:
    """Ask the driver; `driver` is cuda.bindings.driver unless a test gives another."""
    version = driver_version()
    if driver is None:
        try:
            driver = importlib.import_module("cuda.bindings.driver")
        except ImportError:
            return GpuReport(driver=version, problem=_NO_BINDINGS[0], hint=_NO_BINDINGS[1])
    try:
        (number,) = _ask(driver.cuDriverGetVersion())
        cuda = f"{number // 1000}.{number % 1000 // 10}"
        if number < OLDEST_CUDA:
            problem = f"the driver is too old: it knows CUDA up to {cuda}, and 12.0 is needed"
            return GpuReport((), version, cuda, problem, "install driver 525 or later")
        _ask(driver.cuInit(0))
        (count,) = _ask(driver.cuDeviceGetCount())
        gpus = tuple(_describe(driver, n, number) for n in range(count))
    except (RuntimeError, OSError):  # the bindings found no libcuda
        return GpuReport(driver=version, problem=_NO_DRIVER[0], hint=_NO_DRIVER[1])
    except _Refused as refused:
        if refused.args[0] != _NO_DEVICE:
            hint = "nvidia-smi says more; a driver that was updated needs a restart of the machine"
            return GpuReport((), version, "", f"the driver answers with error {refused.args[0]}", hint)
        gpus = ()
    problem, hint = ("", "") if gpus else _NO_GPU
    return GpuReport(gpus, version, cuda, problem, hint)


def targets_for(capability: tuple[int, int], cuda: int = 10**6) -> tuple[str, ...]:
    """The targets whose code runs on this compute capability with a driver of this CUDA version, the best first.

    Code runs on its own generation (the major number) from its own minor number on; from sm_90a on it is compiled for
    one chip (Triton asks for sm_100a and sm_120a): on 9.0, 10.0 and 12.0 alone.
    """
    major, minor = capability
    found = []
    for level in ARCHITECTURES:
        own_major, own_minor = divmod(Target("cuda", level).capability, 10)
        fits = own_major == major and (own_minor == minor if major >= ONE_CHIP_SINCE else own_minor <= minor)
        if fits and cuda >= OLDEST_CUDA_FOR.get(level, OLDEST_CUDA):
            found.append(f"cuda:{level}")
    return tuple(reversed(found))


def driver_version(folder: Path = Path("/")) -> str:
    """NVIDIA's version of the loaded driver, from Linux's files; empty if there is none or it is unknown."""
    for name in ("proc/driver/nvidia/version", "sys/module/nvidia/version"):
        try:
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if found := re.search(r"\b\d{3}\.\d+(\.\d+)?\b", text):
            return found.group()
    return ""


def _describe(driver: Any, number: int, cuda: int) -> Gpu:
    (device,) = _ask(driver.cuDeviceGet(number))
    (name,) = _ask(driver.cuDeviceGetName(128, device))
    attributes = [_ask(driver.cuDeviceGetAttribute(_attribute(driver, a), device))[0] for a in (_MAJOR, _MINOR)]
    (multiprocessors,) = _ask(driver.cuDeviceGetAttribute(_attribute(driver, _MULTIPROCESSORS), device))
    (total,) = _ask(driver.cuDeviceTotalMem(device))
    capability = (int(attributes[0]), int(attributes[1]))
    text = name.partition(b"\0")[0].decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    free = _free_bytes(driver, device)
    return Gpu(number, text, capability, int(multiprocessors), int(total), free, targets_for(capability, cuda))


def _free_bytes(driver: Any, device: Any) -> int:
    """Free memory. This opens a context on the device for a moment; 0 if there is no room even for that."""
    try:
        (context,) = _ask(driver.cuDevicePrimaryCtxRetain(device))
    except _Refused:
        return 0
    try:
        _ask(driver.cuCtxPushCurrent(context))
        free, _ = _ask(driver.cuMemGetInfo())
        _ask(driver.cuCtxPopCurrent())
        return int(free)
    except _Refused:
        return 0
    finally:
        driver.cuDevicePrimaryCtxRelease(device)


def _attribute(driver: Any, number: int) -> Any:
    return driver.CUdevice_attribute(number)


def _ask(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """The result of a driver call, without its result code."""
    result, *values = answer
    if int(result) != 0:
        raise _Refused(int(result))
    return tuple(values)
