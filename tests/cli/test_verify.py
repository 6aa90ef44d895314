"""`burnish verify`: 0 for a right plan, 1 for a wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import burnish
from tests.cli.conftest import Command
from tests.small_model import small_model


@pytest.fixture(scope="module")
def wrong_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the same model with a weight 1 % too large."""
    model = small_model()
    weights = np.array(numpy_helper.to_array(model.graph.initializer[0]))
    weights[:, 1] *= 1.01
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "W"))
    path = tmp_path_factory.mktemp("wrong") / "wrong.plan"
    burnish.build(model, shapes={"x": (2, 4)}).save(path)
    return path


def test_a_right_plan_is_accepted(command: Command, model: Path, plan: Path) -> None:
    done = command("verify", model, plan)
    assert (done.code, "REJECTED" in done.out) == (0, False), done.err
    assert "oracle: onnxruntime" in done.err


@pytest.mark.parametrize("oracle", ["onnxruntime", "reference"])
def test_json_names_every_output(command: Command, model: Path, plan: Path, oracle: str) -> None:
    found = json.loads(command("verify", model, plan, "--json", "--oracle", oracle, "--shapes", "x:8x4").out)
    (output,) = found["outputs"]
    assert found["accepted"] and found["oracle"] == oracle
    assert output.keys() >= {"name", "max_abs", "max_ulp", "cosine", "tolerance"}
    assert output["shape"] == [8, 3]


def test_a_wrong_plan_exits_with_1_and_says_why(command: Command, model: Path, wrong_plan: Path) -> None:
    done = command("verify", model, wrong_plan)
    assert done.code == 1
    assert "REJECTED" in done.out and "is allowed" in done.err


def test_the_first_divergent_tensor_is_searched_in_a_rebuilt_plan(
    command: Command, model: Path, wrong_plan: Path
) -> None:
    """The rebuilt plan is right (the wrong one came from another model), and the command says so."""
    done = command("verify", model, wrong_plan, "--first-divergent")
    assert done.code == 1, done.err
    assert "the fault lies in a fusion that looking prevents" in done.out


def test_a_plan_in_the_models_place_is_refused_with_the_right_order(command: Command, model: Path, plan: Path) -> None:
    done = command("verify", plan, model)
    assert (done.code, done.out) == (2, "")
    assert "E715" in done.err and "burnish verify MODEL PLAN" in done.err


def test_data_comes_from_files(command: Command, model: Path, plan: Path, tmp_path: Path) -> None:
    x = np.ones((1, 4), np.float32)
    folder = tmp_path / "test_data_set_0"
    folder.mkdir()
    onnx.save_tensor(numpy_helper.from_array(x, ""), str(folder / "input_0.pb"))
    np.savez(tmp_path / "x.npz", x=x)
    for data in (tmp_path, folder, tmp_path / "x.npz"):
        assert command("verify", model, plan, "--data", data).code == 0
    assert "E713" in command("verify", model, plan, "--data", tmp_path / "none.npz").err


def test_a_given_tolerance_replaces_the_derived_one(command: Command, model: Path, wrong_plan: Path) -> None:
    assert command("verify", model, wrong_plan, "--tolerance", "0.1").code == 0
