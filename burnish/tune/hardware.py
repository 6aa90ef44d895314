"""What tactics are measured on: a device's name in timing caches, by its model and size, never by a host."""

from __future__ import annotations

from burnish.devices.machine import core_count, processor_name, supports
from burnish.devices.probe import find_gpus
from burnish.target import Target


def device_name(target: Target, threads: int | None = None) -> str | None:
    """ "AMD EPYC 9B14, 2 threads", "NVIDIA H200, 132 multiprocessors"; None if this machine cannot run the target.

    threads: of a CPU, how many a plan will run with; all cores if nobody says
    """
    if target.kind == "cpu":
        return None if supports(target) else f"{processor_name()}, {threads or core_count()} threads"
    for gpu in find_gpus().gpus:
        if str(target) in gpu.runs:
            return f"{gpu.name}, {gpu.multiprocessors} multiprocessors"
    return None
