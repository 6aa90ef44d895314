"""The devices of this machine, by name: cpu, cuda, cuda:1."""

from __future__ import annotations

from collections.abc import Iterable

from burnish.devices import Device
from burnish.devices.cpu.device import Cpu
from burnish.errors import BurnishError, UserError


def find_devices(name: str | None, kinds: Iterable[str]) -> tuple[list[Device], dict[str, str]]:
    """The devices to choose from, the best first, and the kinds that are not there, with the reason.

    name:   cpu, cuda (all GPUs), cuda:N; None: whatever there is of these kinds; the driver is asked only for cuda
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


def _gpus(name: str) -> list[Device]:
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number.isdecimal() or name == "cuda"):
        raise UserError(
            "E516",
            f"there is no kind of device '{name}'",
            why="devices are cpu, cuda, and cuda:N for one of several GPUs",
            hint='device="cuda:0", or none: the best that the plan has code for',
        )
    from burnish.devices.cuda import Cuda, count_gpus

    return [Cuda(int(number))] if number else [Cuda(n) for n in range(count_gpus())]
