"""`burnish doctor accuracy`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import burnish
from burnish.calibration import save_ranges
from burnish.precision.ranges import Range
from tests.cli.conftest import Command
from tests.doctor.planted import DATA, fitting_ranges, mlp
from tests.doctor.test_stored_codes import exact, stored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = mlp()
    onnx.save(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "data.npz", x=np.concatenate([d["x"] for d in DATA]))
    planted = fitting_ranges(model, b=Range(0.0, 0.3))
    save_ranges(planted, tmp_path / "r.json")
    burnish.build(tmp_path / "m.onnx", precision="int8", ranges=planted).save(tmp_path / "m.plan")
    return tmp_path


def test_the_cause_is_told_and_the_fix_mends_the_plan(command: Command, folder: Path) -> None:
    given = ("doctor", "accuracy", folder / "m.onnx", folder / "m.plan", "--data", folder / "data.npz")
    done = command(*given, "--fix", folder / "fix.toml", "--out", folder / "page.html", "--threads", 1)
    assert done.code == 0, done.err
    assert "a range that clips: shift" in done.out and "second in fp32: this mends it" in done.out
    assert "<svg" in (folder / "page.html").read_text()
    build = ("build", folder / "m.onnx", "-o", folder / "n.plan", "--int8", "--calib", folder / "r.json")
    assert command(*build, "--precision-config", folder / "fix.toml").code == 0
    again = command(*given[:3], folder / "n.plan", *given[4:], "--json", "--fix", folder / "none.toml")
    found = json.loads(again.out)
    assert found["healthy"] and found["error"] < found["limit"] and found["fix"] is None
    assert not (folder / "none.toml").exists()


def test_a_plan_that_no_layer_mends_gets_no_file(command: Command, tmp_path: Path) -> None:
    f32, w, c = exact()
    onnx.save(stored(w, c, False), tmp_path / "q.onnx")
    onnx.save(f32, tmp_path / "f.onnx")
    burnish.build(tmp_path / "q.onnx").save(tmp_path / "q.plan")
    np.savez(tmp_path / "data.npz", **DATA[0])
    given = ("doctor", "accuracy", tmp_path / "q.onnx", tmp_path / "q.plan", "--data", tmp_path / "data.npz")
    told = command(*given, "--reference", tmp_path / "f.onnx")
    assert told.code == 0 and "a bias that overflows int32: product" in told.out, told.err
    done = command(*given, "--fix", tmp_path / "fix.toml")
    assert done.code == 2 and "E760" in done.err and not (tmp_path / "fix.toml").exists()


def test_a_plan_of_another_model_is_refused(command: Command, folder: Path) -> None:
    onnx.save(mlp(c=np.zeros(24, np.float32)), folder / "other.onnx")
    done = command("doctor", "accuracy", folder / "other.onnx", folder / "m.plan", "--data", folder / "data.npz")
    assert done.code == 2 and "E757" in done.err
