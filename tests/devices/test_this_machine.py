"""this_machine.py: devices and targets by name, the device for a target, and its label in timing caches."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.devices import this_machine
from burnish.devices.cpu import processor
from burnish.devices.cpu.device import Cpu
from burnish.devices.cuda import probe
from burnish.devices.cuda.probe import Gpu, GpuReport
from burnish.devices.null.processor import null_cuda
from burnish.precision.precision import parse_precision
from burnish.runtime import load
from burnish.target import Target, parse_target
from tests.devices.cuda.plans import in_numpy, small_plan

LEVEL = Target("cpu", "x86-64-v3")
H200 = Gpu(2, "NVIDIA H200", (9, 0), 132, 1, 1, ("cuda:sm_90a", "cuda:sm_89"))


def test_a_plan_for_cpus_never_asks_for_gpus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(this_machine, "_gpus", None)
    assert [d.name for d in this_machine.devices_by_name(None, {"cpu"})[0]] == ["cpu"]
    assert [d.name for d in this_machine.devices_by_name("cpu", {"cuda"})[0]] == ["cpu"]


def test_gpus_come_before_the_cpu_and_can_be_named(monkeypatch: pytest.MonkeyPatch):
    from burnish.devices import cuda

    monkeypatch.setattr(cuda, "count_gpus", lambda: 2)
    monkeypatch.setattr(cuda, "Cuda", lambda n: null_cuda(number=n, on_launch=in_numpy)[0])
    assert [d.name for d in this_machine.devices_by_name(None, {"cuda"})[0]] == ["cuda:0", "cuda:1", "cpu"]
    assert [d.name for d in this_machine.devices_by_name("cuda", set())[0]] == ["cuda:0", "cuda:1"]
    assert load(small_plan(), device="cuda:1").device.name == "cuda:1"
    assert load(small_plan()).device.name == "cuda:0"


def test_a_gpus_name_is_the_target_that_it_runs(monkeypatch: pytest.MonkeyPatch):
    from burnish.devices import cuda

    capabilities = {0: (9, 0), 1: (8, 0)}
    monkeypatch.setattr(cuda, "Cuda", lambda n: null_cuda(number=n, capability=capabilities[n])[0])
    found = [str(this_machine.target_by_name(name)) for name in ("cuda", "cuda:0", "cuda:1", "cuda:sm_89")]
    assert found == ["cuda:sm_90a", "cuda:sm_90a", "cuda:sm_80", "cuda:sm_89"]


@pytest.mark.parametrize(("vendor", "wanted"), [("AuthenticAMD", ("bf16",)), ("GenuineIntel", ())])
def test_cpu_takes_the_extensions_that_are_wanted_and_pay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str, wanted: tuple[str, ...]
):
    wanted_flags = frozenset(Target("cpu", "x86-64-v4", ("bf16", "vnni")).needed_flags)
    monkeypatch.setattr(processor, "flags", lambda: wanted_flags)
    file = tmp_path / "cpuinfo"
    file.write_text(f"vendor_id\t: {vendor}\n")
    assert processor.pays("vnni", str(file)) and processor.pays("bf16", str(tmp_path / "absent"))
    monkeypatch.setattr(this_machine, "pays", lambda extension: processor.pays(extension, str(file)))
    assert this_machine.target_by_name("cpu", ("bf16",)) == Target("cpu", "x86-64-v4", wanted)
    assert this_machine.target_by_name("cpu") == Target("cpu", "x86-64-v4")
    assert this_machine.target_by_name("cpu:x86-64-v4+bf16") == Target("cpu", "x86-64-v4", ("bf16",))


def test_bf16_is_built_for_tiles_where_the_machine_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    best = parse_target("cpu:x86-64-v4+amx")
    monkeypatch.setattr(this_machine, "best_target", lambda: best)
    monkeypatch.setattr(this_machine, "pays", lambda extension: extension != "bf16")
    assert this_machine.target_by_name("cpu", parse_precision("bf16").extensions) == best
    assert this_machine.target_by_name("cpu", parse_precision("fp32").extensions) == Target("cpu", "x86-64-v4")


def test_a_device_is_named_by_its_model_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this_machine, "processor_name", lambda: "AMD EPYC 9B14")
    monkeypatch.setattr(this_machine, "supports", lambda target: [])
    monkeypatch.setattr(this_machine, "core_count", lambda: 4)
    assert this_machine.label(LEVEL) == "AMD EPYC 9B14, 4 threads"
    monkeypatch.setattr(this_machine, "supports", lambda target: ["avx2"])
    assert this_machine.label(LEVEL) is None


def test_a_gpu_that_runs_the_target_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "find_gpus", lambda: GpuReport((H200,)))
    assert this_machine.label(parse_target("cuda:sm_90a")) == "NVIDIA H200, 132 multiprocessors"
    assert this_machine.label(parse_target("cuda:sm_120")) is None


def test_a_target_runs_on_the_gpu_that_has_code_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from burnish.devices import cuda

    monkeypatch.setattr(cuda, "Cuda", lambda n: null_cuda(number=n)[0])
    monkeypatch.setattr(probe, "find_gpus", lambda: GpuReport((H200,)))
    assert this_machine.device_for(parse_target("cuda:sm_89")).name == "cuda:2"
    assert isinstance(this_machine.device_for(LEVEL), Cpu)
