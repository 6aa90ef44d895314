"""probe.py: what is known of GPUs, from a driver that says what a test wants."""

from __future__ import annotations

import builtins
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from burnish.devices.cuda.probe import driver_version, find_gpus, targets_for
from burnish.target import ARCHITECTURES, Target


@dataclass
class Driver:
    """Answers as cuda.bindings.driver does: a tuple that begins with a result code."""

    gpus: int = 1
    version: int = 13000
    initialised: int = 0
    retained: int = 0
    is_full: bool = False
    contexts: int = 0

    def cuDriverGetVersion(self) -> tuple[int, ...]:
        return 0, self.version

    def cuInit(self, flags: int) -> tuple[int]:
        return (self.initialised,)

    def cuDeviceGetCount(self) -> tuple[int, int]:
        return 0, self.gpus

    def cuDeviceGet(self, number: int) -> tuple[int, int]:
        return 0, number

    def cuDeviceGetName(self, length: int, device: int) -> tuple[int, bytes]:
        return 0, b"NVIDIA H200\0\0\0"

    def CUdevice_attribute(self, number: int) -> int:
        return number

    def cuDeviceGetAttribute(self, attribute: int, device: int) -> tuple[int, int]:
        return 0, {16: 132, 75: 9, 76: 0}[attribute]

    def cuDeviceTotalMem(self, device: int) -> tuple[int, int]:
        return 0, 150 << 30

    def cuDevicePrimaryCtxRetain(self, device: int) -> tuple[int, ...]:
        if self.is_full:
            return (2, 0)
        self.contexts += 1
        return 0, 7

    def cuDevicePrimaryCtxRelease(self, device: int) -> tuple[int]:
        self.contexts -= 1
        return (0,)

    def cuCtxPushCurrent(self, context: int) -> tuple[int]:
        return (0,)

    def cuCtxPopCurrent(self) -> tuple[int, int]:
        return 0, 7

    def cuMemGetInfo(self) -> tuple[int, int, int]:
        return 0, 140 << 30, 150 << 30


def test_a_gpu_is_described_and_its_context_let_go_of():
    driver = Driver(gpus=2)
    found = find_gpus(driver)
    assert (found.cuda, found.problem, len(found.gpus)) == ("13.0", "", 2)
    gpu = found.gpus[1]
    assert (gpu.number, gpu.name, gpu.capability, gpu.multiprocessors) == (1, "NVIDIA H200", (9, 0), 132)
    assert (gpu.memory_bytes, gpu.memory_free_bytes, gpu.runs) == (150 << 30, 140 << 30, ("cuda:sm_90a",))
    assert driver.contexts == 0


def test_a_gpu_without_room_for_a_context_is_described_all_the_same():
    assert find_gpus(Driver(is_full=True)).gpus[0].memory_free_bytes == 0


@pytest.mark.parametrize(
    ("driver", "problem"),
    [
        (Driver(gpus=0), "sees no GPU"),
        (Driver(initialised=100), "sees no GPU"),
        (Driver(initialised=999), "error 999"),
        (Driver(version=11080), "knows CUDA up to 11.8"),
    ],
)
def test_what_is_wrong_is_said_and_what_to_do(driver: Driver, problem: str):
    found = find_gpus(driver)
    assert problem in found.problem and found.hint and not found.gpus


def test_a_machine_without_a_driver_or_bindings_has_an_answer(monkeypatch: pytest.MonkeyPatch):
    class Absent(Driver):
        def cuDriverGetVersion(self) -> tuple[int, ...]:
            raise RuntimeError("libcuda.so.1 was not found")

    assert find_gpus(Absent()).problem == "there is no NVIDIA driver"

    def refuse(name: str, *rest: Any) -> Any:
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(importlib, "import_module", refuse)
    assert "burnish[cuda]" in find_gpus().hint


@pytest.mark.parametrize(
    ("capability", "targets"),
    [
        ((7, 0), []),
        ((7, 5), ["sm_75"]),
        ((8, 6), ["sm_80"]),
        ((8, 9), ["sm_89", "sm_80"]),
        ((9, 0), ["sm_90a"]),
        ((10, 3), []),
        ((12, 0), ["sm_120"]),
        ((12, 1), []),
    ],
)
def test_code_runs_on_its_own_generation(capability: tuple[int, int], targets: list[str]):
    assert targets_for(capability) == tuple(f"cuda:{t}" for t in targets)


def test_every_architecture_runs_on_its_own_chip_and_new_ones_need_a_new_driver():
    for level in ARCHITECTURES:
        assert f"cuda:{level}" in targets_for(divmod(Target("cuda", level).capability, 10))  # type: ignore[arg-type]
    assert targets_for((12, 0), cuda=12040) == ()


def test_the_drivers_version_is_read_from_linuxs_files(tmp_path: Path):
    assert driver_version(tmp_path) == ""
    file = tmp_path / "proc" / "driver" / "nvidia" / "version"
    file.parent.mkdir(parents=True)
    file.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n")
    assert driver_version(tmp_path) == "580.65.06"


def test_nothing_of_cuda_is_imported_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def watched(name: str, *rest: Any, **named: Any) -> Any:
        assert not name.startswith("cuda")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", watched)
    importlib.reload(importlib.import_module("burnish.devices.cuda.probe"))
