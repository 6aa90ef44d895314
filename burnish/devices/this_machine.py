"""The devices of this machine: by name, the targets they run, the device for a target, and its label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from burnish.devices import Device
from burnish.devices.cpu.device import Cpu
from burnish.devices.cpu.processor import best_target, core_count, pays, processor_name, supports
from burnish.errors import BurnishError, UserError
from burnish.settings import settings
from burnish.target import Target, parse_target, with_implied

if TYPE_CHECKING:
    from burnish.devices.cuda.probe import Gpu


def devices_by_name(name: str | None, kinds: Iterable[str]) -> tuple[list[Device], dict[str, str]]:
    """The devices to choose from, the best first, and the kinds that this machine lacks, with the reason.

    name:   cpu, cuda (all GPUs), cuda:N; None: all devices of these kinds; the driver is asked only for cuda
    raises: E516 for another name; E833 .. E836 if a GPU was asked for and cannot be had
    """
    if name == "cpu":
        return [Cpu()], {}
    if name is not None:
        return list(_gpus(name)), {}
    if "cuda" not in kinds:
        return [Cpu()], {}
    try:
        return [*_gpus("cuda"), Cpu()], {}
    except BurnishError as problem:
        return [Cpu()], {"cuda": problem.what}


def target_by_name(text: str, extensions: tuple[str, ...] = ()) -> Target:
    """The target for a name: `cpu` is this processor's level, `cuda` the first GPU's architecture, `cuda:1` the next's.

    extensions: wanted ones; `cpu` gets those of them that this processor has and that make it faster, and what these
                bring with them
    raises:     E301; for `cuda` the reason why no GPU can be used (E502 ..)
    """
    if text == "cpu":
        best = best_target()
        return replace(best, extensions=with_implied(e for e in best.extensions if e in extensions and pays(e)))
    kind, _, number = text.partition(":")
    if kind == "cuda" and (text == kind or number.isdecimal()):
        from burnish.devices.cuda import Cuda

        return Cuda(int(number or 0)).target
    return parse_target(text)


def device_for(target: Target) -> Device:
    """The device of this machine that runs the target. E833 .. E836 if a GPU cannot be had."""
    if target.kind == "cpu":
        return Cpu()
    from burnish.devices.cuda import Cuda

    gpu = _gpu_for(target)
    return Cuda(gpu.number if gpu else 0)


def label(target: Target) -> str | None:
    """The device's name in timing caches: its model and size, never a host. None if the target cannot run here.

    As in "NVIDIA H200, 132 multiprocessors".
    """
    if target.kind == "cpu":
        threads = settings().threads or core_count()
        return None if supports(target) else f"{processor_name()}, {threads} threads"
    gpu = _gpu_for(target)
    return f"{gpu.name}, {gpu.multiprocessors} multiprocessors" if gpu else None


def _gpus(name: str) -> list[Device]:
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number.isdecimal() or name == "cuda"):
        raise UserError(
            "E516",
            f"unknown device '{name}'",
            why="devices are cpu, cuda, and cuda:N for one of several GPUs",
            hint='device="cuda:0", or none: the best that the plan has code for',
        )
    from burnish.devices.cuda import Cuda, count_gpus

    return [Cuda(int(number))] if number else [Cuda(n) for n in range(count_gpus())]


def _gpu_for(target: Target) -> Gpu | None:
    from burnish.devices.cuda import probe  # 15 ms, which a machine without GPUs need not wait for

    return next((gpu for gpu in probe.find_gpus().gpus if str(target) in gpu.runs), None)
