"""Nodes with attributes drawn from a seed, in a plan and folded from constants: as ONNX Runtime says.

A seed of each operator always, the others with `-m slow`. Where ONNX Runtime does not follow the text of ONNX, the
draws avoid the form; docs/operators.md lists these.
"""

from __future__ import annotations

import pytest

from burnish.errors import UserError
from tests.reference.compare import assert_same, drawn, planned, wanted
from tests.reference.draw import DRAWS

SEEDS = 12


def cases() -> list[object]:
    found = []
    for number, name in enumerate(DRAWS):
        for seed in range(SEEDS):
            for mode in ("fixed", "folded", "open"):
                always = (seed, mode) == (0, ("fixed", "folded")[number % 2])
                marks = [] if always else [pytest.mark.slow]
                found.append(pytest.param(name, seed, mode, marks=marks, id=f"{name}-{seed}-{mode}"))
    return found


@pytest.mark.parametrize(("name", "seed", "mode"), cases())
def test_a_plan_of_one_node_says_what_onnxruntime_says(name: str, seed: int, mode: str):
    case = drawn(name, seed)
    try:
        answers = planned(case, mode)
    except UserError as error:
        if mode != "open" or error.code not in ("E211", "E212"):
            raise
        pytest.skip(f"its rank depends on an open dimension: {error.code}")
    assert_same(answers, wanted(case), f"{name} {seed} {mode}: {case.attributes}")
