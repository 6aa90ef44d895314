"""ONNX's own node tests, built into plans and run: every operator, natively or on the reference kernel.

Arguments (axes, shapes, pads ...) are constants, as exporters write them; where a case has any, it also runs with
arguments that only the run knows. The first case of every operator runs always; all of them with `-m slow`.
"""

from __future__ import annotations

import pytest

import burnish
from tests.node_cases import arguments, cases_by_kind, with_constant_arguments


def _first_of_each(cases):
    seen = set()
    for case in cases:
        marks = [pytest.mark.slow] if case.operator in seen else []
        yield pytest.param(case, id=case.name, marks=marks)
        seen.add(case.operator)


@pytest.mark.parametrize("case", list(_first_of_each(cases_by_kind()["one node"])))
def test_a_plan_gives_onnx_expected_output(case):
    check(case, *with_constant_arguments(case))


@pytest.mark.parametrize("case", list(_first_of_each(c for c in cases_by_kind()["one node"] if arguments(c))))
def test_a_plan_whose_arguments_only_the_run_knows_gives_onnx_expected_output(case):
    check(case, case.model, case.inputs())


def check(case, model, inputs):
    engine = burnish.load(burnish.build(model, shapes={n: x.shape for n, x in inputs.items()}), threads=1)
    case.check(engine(inputs))
