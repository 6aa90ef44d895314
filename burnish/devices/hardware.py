"""What tactics are measured on: a device's name in timing caches, by its model and size, never by a host."""

from __future__ import annotations

from burnish.devices import Device
from burnish.devices.cpu.processor import core_count, processor_name, supports
from burnish.devices.cuda.probe import Gpu, find_gpus
from burnish.settings import settings
from burnish.target import Target


def device_name(target: Target) -> str | None:
    """As in "NVIDIA H200, 132 multiprocessors"; None if this machine cannot run the target."""
    if target.kind == "cpu":
        threads = settings().threads or core_count()
        return None if supports(target) else f"{processor_name()}, {threads} threads"
    gpu = _gpu(target)
    return f"{gpu.name}, {gpu.multiprocessors} multiprocessors" if gpu else None


def find_device(target: Target) -> Device:
    """The device that `device_name` names. E833 .. E836 if a GPU cannot be had after all."""
    if target.kind == "cpu":
        from burnish.devices.cpu.device import Cpu

        return Cpu()
    from burnish.devices.cuda import Cuda

    gpu = _gpu(target)
    return Cuda(gpu.number if gpu else 0)


def _gpu(target: Target) -> Gpu | None:
    return next((gpu for gpu in find_gpus().gpus if str(target) in gpu.runs), None)
