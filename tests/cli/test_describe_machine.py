"""`burnish inspect env`: the machine as data and as lines."""

from __future__ import annotations

import importlib.metadata
import json

import pytest

from burnish.cli import describe_machine
from burnish.cli.describe_machine import lines, machine
from burnish.devices.cuda.probe import Gpu, GpuReport
from burnish.target import ARCHITECTURES, LEVELS

H200 = Gpu(0, "NVIDIA H200", (9, 0), 132, 150 << 30, 140 << 30, ("cuda:sm_90a",))


def test_a_gpu_stands_there_with_what_it_runs():
    found = machine(GpuReport((H200,), "580.65.06", "13.0"))
    shown = lines(found)
    assert shown["gpus"] == (
        "0: NVIDIA H200, compute capability 9.0, 132 multiprocessors, 150.0 GiB (140.0 GiB free), runs cuda:sm_90a"
    )
    assert shown["driver"] == "580.65.06, CUDA 13.0"
    assert "cuda:sm_90a" in found["runs"] and not any("GPU" in text for text in found["missing"])
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, sort_keys=True))


def test_every_setting_is_shown():
    shown = lines(machine(GpuReport()))["settings"]
    assert all(f"BURNISH_{name}=" in shown for name in ("DEBUG", "GRAPHS", "THREADS"))


def test_without_a_gpu_the_answer_says_what_is_missing():
    found = machine(GpuReport(problem="there is no NVIDIA driver", hint="install it"))
    assert lines(found)["gpus"] == "none: there is no NVIDIA driver"
    assert "GPU: there is no NVIDIA driver: install it" in found["missing"]
    assert "driver" not in lines(found)


def test_every_level_and_architecture_can_be_built_for_where_triton_is(monkeypatch: pytest.MonkeyPatch):
    every = [f"cpu:{level}" for level in LEVELS]
    monkeypatch.setattr(describe_machine, "_version", lambda name: "3.6.0")
    assert machine(GpuReport())["builds_for"] == every + [f"cuda:{a}" for a in ARCHITECTURES]
    monkeypatch.setattr(describe_machine, "_version", lambda name: "-")
    found = machine(GpuReport())
    assert found["builds_for"] == every
    assert any(text.startswith("triton: to build for GPUs") for text in found["missing"])


def test_another_version_than_the_pinned_one_is_pointed_out(monkeypatch: pytest.MonkeyPatch):
    demands = ["numpy<2.4,>=2.2", "triton==3.6.0; extra == 'cuda'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: demands)
    monkeypatch.setattr(describe_machine, "_version", lambda name: "3.5.0")
    (found,) = (text for text in machine(GpuReport())["missing"])
    assert found == "triton 3.6.0, with which Burnish is tested, not 3.5.0: pip install triton==3.6.0"
