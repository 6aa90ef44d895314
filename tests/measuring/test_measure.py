"""The benchmark's machinery; no speed is asserted."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest

import burnish
from burnish.errors import EnvironmentProblem, UserError
from burnish.measuring import BenchReport, Contender, Latency, contender
from burnish.measuring.arrays_file import load_arrays, save_arrays
from burnish.measuring.measure import MOST_RUNS, Options, block_runs
from burnish.measuring.process import Measured
from burnish.plan import Plan
from tests.small_model import small_model

QUICK = Options(threads=1, rounds=2, runs=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "small.onnx"
    onnx.save(small_model(), str(path))
    return path


@pytest.fixture(scope="module")
def plan(model: Path) -> Plan:
    return burnish.build(model, shapes={"x": (3, 4)})


def test_a_plan_object_is_measured_with_a_peer_and_its_layers(model: Path, plan: Plan) -> None:
    steps: list[tuple[str, int, int]] = []
    options = Options(("onnxruntime",), threads=1, rounds=2, runs=3, layers=True)
    report = burnish.bench(plan, model, options, progress=lambda *step: steps.append(step))
    assert [c.name for c in (report.burnish, *report.peers)] == ["burnish", "onnxruntime"]
    assert all(c.runs == 6 and c.peak_rss_mib > 5 and c.latency_ms for c in (report.burnish, *report.peers))
    assert report.layers and report.shapes == {"x": [3, 4]} and (report.launches_ms or 0) > 0
    assert [s[1] for s in steps] == list(range(6))
    assert json.loads(json.dumps(report.as_dict()))["ratios"]["onnxruntime"]["median"] > 0


def test_a_peer_that_cannot_run_is_reported_and_the_rest_measured(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    report = burnish.bench(plan, tmp_path / "broken.onnx", against=("onnxruntime",), threads=1, rounds=1, runs=3)
    assert report.burnish.latency_ms is not None
    assert report.peers[0].latency_ms is None and report.peers[0].problem
    assert report.ratios() == {}


def test_why_a_plan_cannot_run_is_said_in_full(plan: Plan) -> None:
    with pytest.raises(UserError, match="E505") as refused:
        burnish.bench(plan, None, QUICK, inputs={"x": np.zeros((9, 9), np.float32)})
    assert "the plan's profile allows 3" in refused.value.what and "--shapes" in refused.value.hint


def test_a_process_that_ends_before_it_runs_the_plan_is_an_error(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EnvironmentProblem, match=r"E810(?s:.*)ended with exit code 1"):
        burnish.bench(plan, None, QUICK)


@pytest.mark.parametrize("against", [("onnxruntime",), ("nobody",)])
def test_peers_need_a_model_and_a_name(plan: Plan, against: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="E620"):
        burnish.bench(plan, None, Options(against))


def test_a_process_that_dies_is_a_problem_and_not_a_hang(plan: Plan, tmp_path: Path) -> None:
    plan.save(tmp_path / "a.plan")
    save_arrays(tmp_path / "x.npz", {"x": np.zeros((3, 4), np.float32)})
    measured = Measured("burnish", tmp_path / "a.plan", tmp_path / "x.npz", 1)
    assert measured.problem == "" and len(measured.block(2)) == 2
    os.kill(measured._process.pid, signal.SIGKILL)
    measured._process.wait()
    assert measured.block(2) == []
    assert measured.finish().problem == "its process ended with exit code -9"


def test_a_system_that_prints_does_not_disturb_the_protocol(tmp_path: Path) -> None:
    fake = "import os\nprint('noise')\nos.system('echo more')\nraise ImportError('fake')\n"
    (tmp_path / "onnxruntime.py").write_text(fake)
    save_arrays(tmp_path / "x.npz", {})
    done = subprocess.run(
        [sys.executable, "-m", "burnish.measuring.contender", "onnxruntime", "m", str(tmp_path / "x.npz"), "1", ""],
        input="",
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))},
    )
    assert json.loads(done.stdout) == {"problem": "ImportError: fake"}
    assert "noise" in done.stderr and "more" in done.stderr


def test_the_protocol_answers_line_by_line(plan: Plan, tmp_path: Path) -> None:
    plan.save(tmp_path / "a.plan")
    save_arrays(tmp_path / "x.npz", {"x": np.zeros((3, 4), np.float32)})
    requests = io.StringIO('{"runs": 2}\n{"layers": true}\n{}\n{"runs": 1}\n')
    answers = io.StringIO()
    contender.serve(["burnish", str(tmp_path / "a.plan"), str(tmp_path / "x.npz"), "1", "cpu"], requests, answers)
    started, times, layers, memory = map(json.loads, answers.getvalue().splitlines())
    assert started.keys() == {"import_ms", "load_ms", "first_run_ms"}
    assert len(times["times_ms"]) == 2 and layers["layers"] and memory["peak_rss_mib"] > 5


def test_an_unknown_system_is_a_problem(tmp_path: Path) -> None:
    save_arrays(tmp_path / "x.npz", {})
    answers = io.StringIO()
    contender.serve(["nothing", "m", str(tmp_path / "x.npz"), "1", ""], io.StringIO(), answers)
    assert "'nothing' is not one of burnish" in json.loads(answers.getvalue())["problem"]


def test_arrays_of_every_type_survive_the_file(tmp_path: Path) -> None:
    arrays = {
        "a/b:0": np.arange(6, dtype=np.float32).reshape(2, 3),
        "bf16": np.arange(3).astype(ml_dtypes.bfloat16),
        "f8": np.arange(3).astype(ml_dtypes.float8_e4m3fn),
        "i4": np.arange(3).astype(ml_dtypes.int4),
        "complex": np.array([1 + 2j, 3 - 4j]),
        "bool": np.array([True, False]),
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.uint8),
        "text": np.array(["a", "längre"], dtype=object),
    }
    save_arrays(tmp_path / "x.npz", arrays)
    found = load_arrays(tmp_path / "x.npz")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_blocks_hold_about_the_work_that_was_asked_for() -> None:
    assert block_runs(1.0, 200) == 200
    assert block_runs(1000.0, 200) == 3
    assert block_runs(0.0, 200) == MOST_RUNS


def test_ratios_are_ours_over_theirs() -> None:
    ours, theirs = (Contender(name, Latency.of(times)) for name, times in (("burnish", [1.0] * 5), ("peer", [2.0] * 5)))
    assert BenchReport(ours, (theirs,)).ratios() == {"peer": {"median": 0.5, "p10": 0.5}}


def test_latency_statistics() -> None:
    found = Latency.of(range(1, 102))
    assert (found.median, found.min, found.mean, found.p10, found.p90, found.p99) == (51, 1, 51, 11, 91, 100)
