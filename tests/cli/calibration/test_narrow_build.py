"""`burnish build --max-error`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.cli.conftest import Command

EXAMPLES = Path(__file__).parents[3] / "examples"
MODEL, SAMPLES = EXAMPLES / "digits.onnx", EXAMPLES / "digits_samples.npz"
INT8 = ("build", MODEL, "--int8", "--calib", SAMPLES)


def test_a_build_meets_its_budgets_and_verify_checks_them_again(command: Command, tmp_path: Path) -> None:
    plan, model, page = tmp_path / "a.plan", tmp_path / "q.onnx", tmp_path / "c.html"
    limits = ("--max-error", "cos=2e-5", "--max-error", "top1=3%")
    done = command(*INT8, "-o", plan, *limits, "--curve", page, "--save-quantised", model, "--json")
    report = json.loads(done.out)["accuracy"]
    assert done.code == 0 and [b["budget"] for b in report["budgets"]] == ["cos=2e-05", "top1=3%"], done.err
    raised = {row["layer"] for row in report["layers"] if row["form"] == "f32"}
    assert raised and report["budgets"][0]["found"] <= 2e-5 < report["budgets"][0]["unraised"]
    assert page.read_text().startswith("<!DOCTYPE html>")
    told = command("verify", MODEL, plan, "--eval-data", SAMPLES)
    assert told.code == 0 and "measured now" in told.out and "MISSED" not in told.out, told.err
    other = command("verify", MODEL, plan, "--eval-data", SAMPLES, "--max-error", "cos=1e-9", "--json")
    assert other.code == 1 and json.loads(other.out)["rechecked"][0]["is_met"] is False
    ours = onnxruntime.InferenceSession(str(model)).run(
        None, {"image": np.load(SAMPLES)["images"][:1].reshape(1, 1, 8, 8)}
    )
    assert ours[0].shape == (1, 10)  # with the raised layers in f32


def test_a_function_and_other_data_judge(command: Command, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "def wrong(ours, exact, labels):\n"
        "    assert len(labels) == len(ours) == 40\n"
        "    return sum(int(a['logits'].argmax()) != n for a, n in zip(ours, labels))\n"
    )
    words = ("-o", tmp_path / "a.plan", "--eval-data", SAMPLES)
    done = command(*INT8, *words, "--max-error", f"{tmp_path / 'm.py'}:wrong=2")
    assert done.code == 0 and "wrong=2" in done.out and "better proof" not in done.err, done.err
    failed = command(*INT8, *words, "--max-error", f"{tmp_path / 'm.py'}:wrong=-1")
    assert failed.code == 2 and "E728" in failed.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--eval-data", SAMPLES), "E622"),
        (("--labels", "x.npy"), "E622"),
        (("--decode", "x.py"), "E622"),
        (("--curve", "x.svg"), "E622"),
        (("--max-error", "cos=1e-3"), "E766"),
        (("--max-error", "cos=1e-3", "--eval-data", SAMPLES), "E766"),
        (("--bf16", "--max-error", "cos=1", "--eval-data", SAMPLES, "--save-quantised", "q.onnx"), "E622"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    words: tuple[object, ...], code: str, command: Command, tmp_path: Path
) -> None:
    done = command("build", MODEL, "-o", tmp_path / "a.plan", *words)
    assert done.code == 2 and code in done.err, done.err
    assert not (tmp_path / "a.plan").exists()


def test_ranges_alone_are_nothing_to_measure_with(command: Command, tmp_path: Path) -> None:
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", tmp_path / "r.json").code == 0
    words = (
        "build",
        MODEL,
        "-o",
        tmp_path / "a.plan",
        "--int8",
        "--calib",
        tmp_path / "r.json",
        "--max-error",
        "cos=1",
    )
    refused = command(*words)
    assert refused.code == 2 and "E766" in refused.err and "holds ranges" in refused.err
    assert command(*words, "--eval-data", SAMPLES).code == 0


def test_a_failed_build_leaves_no_plan(command: Command, tmp_path: Path) -> None:
    done = command(*INT8, "-o", tmp_path / "a.plan", "--max-error", "top1=-50%")
    assert done.code == 2 and "E728" in done.err and not (tmp_path / "a.plan").exists()
