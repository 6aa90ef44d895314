"""ONNX's own node cases on the GPU: at their own sizes, and with open dimensions of which each is cut to 1 and to 0.

Only cases with kernels for GPUs are here (tests/data/native.json). They are many and short: run them with `-n 14`.
"""

from __future__ import annotations

import pytest

import burnish
from tests.end_to_end.test_open_cases import BROADCASTING, SKIPPED, check
from tests.native import cases_where
from tests.node_cases import NodeCase, with_constant_arguments

NATIVE = cases_where("cuda", lambda answer: "reference" not in answer)
OPEN = [case for case in NATIVE if case.operator not in SKIPPED]


@pytest.mark.parametrize("case", NATIVE, ids=lambda case: case.name)
def test_a_plan_gives_what_onnx_expects(case: NodeCase) -> None:
    model, inputs = with_constant_arguments(case)
    plan = burnish.build(model, shapes={name: x.shape for name, x in inputs.items()}, target="cuda")
    with burnish.load(plan, device="cuda") as engine:
        for _ in range(3):  # launch by launch, captured, as a graph
            case.check(engine(inputs))


@pytest.mark.parametrize("case", OPEN, ids=lambda case: case.name)
def test_open_dimensions_agree_with_other_implementations(case: NodeCase) -> None:
    check(case, constant_arguments=True, least=1, target="cuda")


@pytest.mark.parametrize("case", [c for c in OPEN if c.operator in BROADCASTING], ids=lambda case: case.name)
def test_empty_axes_agree_with_other_implementations(case: NodeCase) -> None:
    check(case, constant_arguments=True, least=0, target="cuda")
