"""`burnish verify --eval-data`: options that need each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command

MODEL = Path(__file__).parents[3] / "examples" / "digits.onnx"
SAMPLES = MODEL.with_name("digits_samples.npz")


@pytest.fixture
def plan(command: Command, tmp_path: Path) -> Path:
    assert command("build", MODEL, "-o", tmp_path / "a.plan").code == 0
    return tmp_path / "a.plan"


@pytest.mark.parametrize("option", ["--labels", "--decode", "--calib-preprocess", "--max-error"])
def test_an_option_that_would_do_nothing_is_refused(option: str, plan: Path, command: Command) -> None:
    done = command("verify", MODEL, plan, option, "x")
    assert done.code == 2 and "E622" in done.err and option in done.err


def test_a_plan_without_a_budget_is_measured_by_one_that_is_given(plan: Path, command: Command) -> None:
    done = command("verify", MODEL, plan, "--eval-data", SAMPLES)
    assert done.code == 2 and "E768" in done.err
    given = command("verify", MODEL, plan, "--eval-data", SAMPLES, "--max-error", "cos=1e-9")
    assert given.code == 0 and "measured now" in given.out, given.err
