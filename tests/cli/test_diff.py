"""`burnish diff`: two plans, what differs, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import burnish
from tests.cli.conftest import Command
from tests.small_model import small_model


def test_a_plan_built_twice_does_not_differ(command: Command, plan: Path, tmp_path: Path) -> None:
    burnish.build(small_model(), profile={"x": ((1, 4), (2, 4), (8, 4))}).save(tmp_path / "again.plan")
    done = command("diff", plan, tmp_path / "again.plan")
    assert done == (0, "", "0 differences\n")


def test_options_and_tactics_that_differ_are_printed_and_the_exit_code_is_1(
    command: Command, plan: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.plan"
    burnish.build(small_model(), shapes={"x": (5, 4)}, precision="fp16").save(other)
    done = command("diff", plan, other)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[lines.index("options") + 1 :][:3] == ["  precision", "    - fp32", "    + fp16"]
    assert "    - 1 .. 2 .. 8" in lines and "    + f32[5,4]" in lines
    assert any(line.endswith("Contraction sum relu: tactic") or "launches" in line for line in lines)


def test_the_differences_as_json(command: Command, plan: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.plan"
    burnish.build(small_model(), profile={"x": ((1, 4), (2, 4), (9, 4))}).save(other)
    found = json.loads(command("diff", plan, other, "--json").out)
    assert found["equal"] is False
    assert {"section": "symbols", "name": "n", "old": "1 .. 2 .. 8", "new": "1 .. 2 .. 9"} in found["changes"]
    assert json.loads(command("diff", plan, plan, "--json").out) == {"equal": True, "changes": []}


def test_what_is_no_plan_is_refused(command: Command, plan: Path, model: Path) -> None:
    assert (command("diff", plan, model).code, "E404" in command("diff", plan, model).err) == (2, True)
