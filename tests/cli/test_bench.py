"""`burnish bench`: numbers with the promised names, from a plan and from a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import burnish
from burnish.errors import UserError
from tests.cli.conftest import Command

QUICK = ("--rounds", "1", "--runs", "3", "--threads", "1")


def test_json_has_the_promised_names(command: Command, plan: Path) -> None:
    done = command("bench", plan, "--json", *QUICK)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert {"median", "min", "mean", "p90", "p99"} <= found["latency_ms"].keys()
    assert found["latency_ms"]["min"] <= found["latency_ms"]["median"] <= found["latency_ms"]["p99"]
    assert all(found[name] > 0 for name in ("throughput_per_s", "load_ms", "first_run_ms", "peak_rss_mib"))
    assert found["layers"] and abs(sum(layer["share"] for layer in found["layers"]) - 1) < 1e-6
    assert found["shapes"] == {"x": [2, 4]}


def test_a_model_is_built_first_and_peers_are_measured(command: Command, model: Path) -> None:
    done = command("bench", model, "--against", "onnxruntime", "--shapes", "x:5x4", "--json", *QUICK)
    found = json.loads(done.out)
    assert found["shapes"] == {"x": [5, 4]}
    assert found["against"]["onnxruntime"]["latency_ms"]["median"] > 0
    assert found["ratios"]["onnxruntime"].keys() == {"median", "p10"}


def test_tables_for_people(command: Command, plan: Path, model: Path) -> None:
    done = command("bench", plan, "--against", "onnxruntime", "--model", model, "--layers", *QUICK)
    assert "median ms" in done.out and "onnxruntime" in done.out and "tactic" in done.out


def test_peers_without_a_model_and_unknown_peers_are_refused(command: Command, plan: Path) -> None:
    assert "E620" in command("bench", plan, "--against", "onnxruntime").err
    assert "E620" in command("bench", plan, "--against", "tvm").err
    assert "E401" in command("bench", "none.plan").err


def test_a_model_is_built_for_the_device_that_is_to_run_it(
    command: Command, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def build(*_: object, target: str, **__: object) -> None:
        asked.append(target)
        raise UserError("E213", "enough")

    monkeypatch.setattr(burnish, "build", build)
    for device in ((), ("--device", "cpu"), ("--device", "cuda:1")):
        assert "enough" in command("bench", model, *device).err
    assert asked == ["cpu", "cpu", "cuda:1"]


def test_a_missing_model_is_not_called_a_missing_plan(command: Command) -> None:
    assert "E104" in command("bench", "none.onnx").err and "E401" in command("bench", "none.plan").err
