"""benchmarks/gpu.py without a GPU: cases, floors, turns, the check of answers, the lines it keeps."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import burnish
from burnish.tune import TimingCache
from tests.small_model import small_model

FOLDER = Path(__file__).parents[2] / "benchmarks"
FAKE = """
import json, sys
print(json.dumps({"load_ms": 1.0}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request.get("runs", 0) > 100:
        sys.exit(3)
    print(json.dumps({"times_ms": [2.0] * request["runs"]}), flush=True)
"""


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's scripts import each other by name, as they do when they are run."""
    monkeypatch.syspath_prepend(str(FOLDER))


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_every_case_of_the_issue_is_there_and_others_can_be_asked_for():
    cases = script("gpu_cases")
    assert {c.name for c in cases.chosen("resnet50", "")} == {"resnet50-b1", "resnet50-b8", "resnet50-b128"}
    (extra,) = cases.chosen("bert_base", "32")
    assert (extra.name, extra.aim_ms, extra.shapes["input_ids"]) == ("bert_base-b32-s128", 0.0, (32, 128))
    with pytest.raises(SystemExit, match="no model 'resnet51'"):
        cases.chosen("resnet51", "")


def test_inputs_are_the_same_every_time_and_some_sequences_end_early():
    cases = script("gpu_cases")
    case = cases.Case("bert_base", 4, 16)
    first, second = case.inputs(), case.inputs()
    assert all(np.array_equal(first[name], second[name]) for name in case.shapes)
    lengths = first["attention_mask"].sum(axis=1)
    assert lengths[0] == lengths[2] == 16 and 8 < lengths[1] <= 16
    assert case.checked_rows == [0, 1, 2, 3] and cases.Case("x", 128).checked_rows[-1] == 127
    pictures = cases.Case("x", 2).inputs()["pixel_values"]
    assert np.abs(pictures[0] - pictures[1]).mean() > 0.5


def test_a_floor_is_the_slower_of_work_and_memory_and_the_launches():
    floors = script("gpu_floors")
    found = floors.floor_of([(781e6, 0.0), (0.0, 4.25e6), (781e6, 8.5e6)], least_bytes=4.25e6)
    assert (found.launches, found.launches_us, found.limit_us) == (3, 4.0, 2.0)
    assert found.floor_us == pytest.approx(4.0 + 3 * 1.2)


def test_a_plans_floor_is_that_of_its_launches():
    floors = script("gpu_floors")
    plan = burnish.build(small_model(), shapes={"x": (2, 4)}, target="cpu:x86-64-v3")
    found = floors.plan_floor(plan.manifest, "cpu:x86-64-v3")
    assert found.launches == len(plan.manifest.variants[0].launches) and found.gflop > 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, None])
def test_wrong_answers_are_not_close(wrong: float | None):
    gpu, wanted = script("gpu"), np.arange(1.0, 5.0)
    assert gpu.relative_error(wanted, wanted) == 0.0
    assert gpu.relative_error(wanted * 1.01, wanted) == pytest.approx(0.01)
    found = wanted[:3] if wrong is None else np.where(wanted > 3, wrong, wanted)
    assert gpu.relative_error(found, wanted) == float("inf")


def test_systems_are_asked_in_turns_and_one_that_dies_is_named(monkeypatch: pytest.MonkeyPatch):
    turns = script("gpu_turns")
    monkeypatch.setattr(turns, "PAUSE_S", 0.0)
    command = [sys.executable, "-c", FAKE]
    one, other = (turns.Process(name, command, {}, os.environ) for name in ("torch-default", "torch-eager"))
    try:
        found = turns.measure_in_turns([one], rounds=2)
        assert found["torch-default"] == {"ms": 2.0, "p10": 2.0, "p90": 2.0, "rounds_ms": [2.0, 2.0], "runs": 150}
        monkeypatch.setattr(turns, "BLOCK_MS", 1000.0)
        assert "exit code 3" in turns.measure_in_turns([other], rounds=2)["torch-eager"]["problem"]
    finally:
        one.close()
        other.close()


def test_what_was_measured_survives_and_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    gpu, cases = script("gpu"), script("gpu_cases")
    results, case = gpu.Results(tmp_path), cases.Case("resnet50", 1)
    assert not results.has(case, "fp16")
    results.add(case, "build", precision="fp16", floor={"floor_us": 92.0})
    times = {"p10": 0.19, "p90": 0.21, "runs": 9}
    results.add(case, "time", precision="fp16", system="burnish", ms=0.2, **times)
    results.add(case, "time", precision="fp16", system="torch-default", ms=0.4, **times)
    results.add(case, "answer", precision="fp16", system="burnish", error=3e-4)
    results.add(case, "problem", precision="fp16", problem="the build failed\nmore")
    assert results.has(case, "fp16") and not results.has(case, "bf16")
    assert all(json.loads(line)["case"] == "resnet50-b1" for line in results.path.read_text().splitlines())
    capsys.readouterr()
    gpu.main(["--out", str(tmp_path), "--report"])
    shown = capsys.readouterr().out
    assert "| resnet50-b1 fp16 | **0.200** | 0.190 to 0.210 | 0.092 | 46% | 0.400 | 2.00 | 0.21 | 3.0e-04 |" in shown
    assert "the build failed" in shown


def test_a_wrong_contender_is_not_measured(tmp_path: Path):
    gpu, cases = script("gpu"), script("gpu_cases")

    class Contender:
        name, problem, load_ms, spec = "burnish", "", 1.0, {"rows": [0]}

        def ask(self, request: dict[str, str]) -> dict[str, object]:
            np.savez(request["outputs"], y=np.array([[1.0, 1.2]], np.float32))
            return {"saved": ["y"]}

    found = Contender()
    options = argparse.Namespace(out=tmp_path, precision="fp16")
    facts = gpu.checked(found, {"y": np.array([[1.0, 1.0]], np.float32)}, cases.Case("resnet50", 1), options)
    assert not facts["is_right"] and "wrong answers" in found.problem


def test_a_system_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch):
    turns = script("gpu_turns")
    monkeypatch.setattr(turns, "LIMIT_S", 0.5)
    hung = turns.Process("torch-default", [sys.executable, "-c", "import time; time.sleep(60)"], {}, os.environ)
    assert "exit code -9" in hung.problem
    hung.close()


@pytest.mark.parametrize("path", sorted((FOLDER / "caches").glob("*.cache")), ids=lambda path: path.stem)
def test_a_committed_cache_is_canonical_and_of_one_device(path: Path) -> None:
    cache = TimingCache.load(path)
    assert cache.to_bytes() == path.read_bytes()
    assert len({(e.key.target, e.key.device) for e in cache}) == 1
