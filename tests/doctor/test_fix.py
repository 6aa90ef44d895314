"""A remedy as a file that a build takes."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from burnish.doctor.fix import fix_text, write_fix
from burnish.precision.precision_config import read_precision_config
from tests.doctor.test_finding import FINDING, REMEDY, diagnosis

ODD = 'a "quoted\\name"\nin two lines, Größe'


def test_the_file_holds_the_rules_after_those_of_the_plan(tmp_path: Path) -> None:
    rules = ({"nodes": [ODD], "precision": "fp32"},)
    found = replace(
        diagnosis(replace(FINDING, layer=ODD), remedy=replace(REMEDY, layers=rules)),
        layers=({"operators": ["Gemm"], "precision": "fp16"},),
    )
    assert tomllib.loads(fix_text(found)) == {"layers": [{"operators": ["Gemm"], "precision": "fp16"}, *rules]}
    assert fix_text(found).startswith("# overflow of a narrow float at a ")
    write_fix(found, tmp_path / "fix.toml")
    last = read_precision_config(tmp_path / "fix.toml")[-1]
    assert (last.nodes, last.precision) == ((ODD,), "fp32")
