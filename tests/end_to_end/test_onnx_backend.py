"""ONNX's backend node cases that `tests/test_node_cases.py` leaves out: built into plans and run, or refused by code.

There, every operator is one node. Here are the same operators written out as ONNX's function bodies (graphs of many
nodes, with nested If, Loop and Scan), the random operators, and what has no place in a plan: nothing may crash.
Every tenth case of each kind runs always, all of them with `-m slow`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import burnish
from burnish.errors import UserError
from tests.node_cases import NodeCase, cases_by_kind

EVERY = 10
# What a plan refuses. E210: a node works on strings or sequences. E211: an input or output is a sequence, an optional
# or strings.
REFUSED = {"E210", "E211"}
CASES = cases_by_kind()


def some(kind: str) -> list[Any]:
    return [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] if index % EVERY else [])
        for index, case in enumerate(CASES[kind])
    ]


def run(case: NodeCase) -> list[dict[str, np.ndarray[Any, Any]]]:
    """The answers of the case's data sets, by output name."""
    plan = burnish.build(case.model, shapes={name: x.shape for name, x in case.inputs().items()})
    with burnish.load(plan, threads=1) as engine:
        return [engine(case.inputs(n)) for n in range(len(case.data_sets))]


@pytest.mark.parametrize("case", some("several nodes"))
def test_a_graph_of_several_nodes_gives_what_onnx_expects(case: NodeCase):
    for n, answers in enumerate(run(case)):
        case.check(answers, n)


@pytest.mark.parametrize("case", some("random"))
def test_a_random_operator_gives_the_shape_and_dtype(case: NodeCase):
    for n, answers in enumerate(run(case)):
        for name, want in case.expected(n).items():
            assert (answers[name].shape, answers[name].dtype) == (want.shape, want.dtype)


@pytest.mark.parametrize("case", some("refused"))
def test_what_has_no_place_in_a_plan_is_refused_by_code(case: NodeCase):
    with pytest.raises(UserError) as refusal:
        burnish.build(case.model)
    assert refusal.value.code in REFUSED
    assert refusal.value.where and refusal.value.hint


def test_the_kinds_are_what_onnx_has():
    """If ONNX's cases change, the numbers here do: then look whether the refusals are still the ones documented."""
    assert len(CASES["several nodes"]) > 400
    assert len(CASES["refused"]) > 50
    assert len(CASES["random"]) >= 6
