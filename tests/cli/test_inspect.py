"""`burnish inspect`: what is in a plan, a graph, a machine."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from tests.cli.conftest import Command


def test_a_plan_is_described_without_loading_code(
    command: Command, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burnish.devices.cpu.elf.load_object", None)
    done = command("inspect", "plan", plan, "--launches", "--blobs", "--check")
    assert done.code == 0, done.err
    for text in ("x f32[n,4]", "y f32[n,3]", "n: 1 .. 2 .. 8", "Contraction", "relu", "graph", "signed by"):
        assert text in done.out
    assert "every byte" in done.err


def test_a_plan_as_json(command: Command, plan: Path) -> None:
    found = json.loads(command("inspect", "plan", plan, "--json").out)
    assert found["size_bytes"] == plan.stat().st_size
    assert {blob["name"] for blob in found["blobs"]} >= {"graph"}
    assert found["launches"][0]["tactic"]


def test_check_finds_a_flipped_byte(command: Command, plan: Path, tmp_path: Path) -> None:
    data = bytearray(plan.read_bytes())
    data[-1] ^= 1
    (tmp_path / "bad.plan").write_bytes(data)
    done = command("inspect", "plan", tmp_path / "bad.plan", "--check")
    assert (done.code, "E412" in done.err) == (2, True)


def test_an_unsigned_plan_is_not_trusted(command: Command, plan: Path) -> None:
    assert "E413" in command("inspect", "plan", plan, "--trusted-key", "00" * 32).err


def test_a_graph_is_counted_before_and_after_and_saved_as_onnx(command: Command, model: Path, tmp_path: Path) -> None:
    done = command("inspect", "graph", model, "-o", tmp_path / "after.onnx", "--json")
    counts = json.loads(done.out)
    assert counts["before"] == {"MatMul": 1, "Add": 1, "Relu": 1}
    assert sum(counts["after"].values()) == len(onnx.load(str(tmp_path / "after.onnx")).graph.node)


def test_a_plans_own_graph_is_shown_and_saved(command: Command, plan: Path, tmp_path: Path) -> None:
    done = command("inspect", "graph", plan, "-o", tmp_path / "stored.onnx")
    assert done.code == 0, done.err
    assert onnx.load(str(tmp_path / "stored.onnx")).graph.name == "small"


def test_why_prints_what_rules_said(command: Command, model: Path, plan: Path) -> None:
    assert command("inspect", "graph", model, "--why", "NoSuchRule", "sum").out.startswith("NoSuchRule was not tried")
    assert command("inspect", "graph", model, "--why", "*", "*").code == 0
    assert "E619" in command("inspect", "graph", plan, "--why", "*", "*").err


def test_the_machine_is_described(command: Command) -> None:
    found = json.loads(command("inspect", "env", "--json").out)
    assert found["cores"] >= 1
    assert found["target"].startswith("cpu:x86-64-v")
    assert found["packages"]["numpy"] != "-"
    assert "cores" in command("inspect", "env").out
