"""ONNX's backend node cases that `tests/test_node_cases.py` leaves out: built into plans and run, or refused by code.

There, every operator is one node. Here are the same operators written out as ONNX's function bodies (graphs of many
nodes, with nested If, Loop and Scan), the random operators, and what has no place in a plan: nothing may crash.
Every tenth case of each kind runs always, all of them with `-m slow`.
"""

from __future__ import annotations

import warnings
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import burnish
from burnish.dtypes import DType
from burnish.errors import UserError

EVERY = 10
# Values depend on a generator that the operator's definition leaves open: shape and dtype must fit.
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
# What a plan refuses. E210: a node works on strings or sequences. E211: an input or output is a sequence, an optional
# or strings. E212: the rank of a value is not known, because the two sides of an If give it different ones.
REFUSED = {"E210", "E211", "E212"}
REFUSED_TENSORS = {"test_affine_grid_3d_align_corners_expanded": "E212"}


def holds_only_numbers(case: Any) -> bool:
    """Every input and output is a tensor of numbers."""
    types = [v.type for v in (*case.model.graph.input, *case.model.graph.output)]
    return all(t.HasField("tensor_type") and t.tensor_type.elem_type != onnx.TensorProto.STRING for t in types)


def is_random(case: Any) -> bool:
    return any(node.op_type in RANDOM for node in case.model.graph.node)


def collect() -> dict[str, list[Any]]:
    """The cases by kind: numbers (graphs of several nodes), random, refused."""
    from onnx.backend.test.case.node import collect_testcases

    state = np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.random.seed(0)
        cases = [c for c in collect_testcases(None) if c.model is not None and c.data_sets]
    np.random.set_state(state)
    kinds: dict[str, list[Any]] = {"numbers": [], "random": [], "refused": []}
    for case in cases:
        if not holds_only_numbers(case) or case.name in REFUSED_TENSORS:
            kinds["refused"].append(case)
        elif is_random(case):
            kinds["random"].append(case)
        elif len(case.model.graph.node) != 1:
            kinds["numbers"].append(case)
    return kinds


CASES = collect()


def some(kind: str) -> list[Any]:
    return [
        pytest.param(
            case, id=case.name, marks=[pytest.mark.slow] if index % EVERY and case.name not in REFUSED_TENSORS else []
        )
        for index, case in enumerate(CASES[kind])
    ]


def run(case: Any) -> list[tuple[dict[str, np.ndarray[Any, Any]], list[Any]]]:
    """The answers of the case's data sets, by output name, and what is expected."""
    names = [v.name for v in case.model.graph.input]
    sets = [([array(v) for v in inputs], [array(v) for v in outputs]) for inputs, outputs in case.data_sets]
    shapes = {name: v.shape for name, v in zip(names, sets[0][0])}
    plan = burnish.build(case.model, shapes=shapes)
    with burnish.load(plan, threads=1) as engine:
        return [(engine(dict(zip(names, inputs))), outputs) for inputs, outputs in sets]


def array(value: Any) -> np.ndarray[Any, Any]:
    """A test's value as numpy, or ml_dtypes where numpy has no such type (bfloat16, float8, int4 ...)."""
    if isinstance(value, onnx.TensorProto):
        return np.asarray(numpy_helper.to_array(value))
    return np.asarray(value)


def assert_as_expected(got: np.ndarray[Any, Any], want: np.ndarray[Any, Any], rtol: float, atol: float) -> None:
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    dtype = DType.of(want.dtype)
    if not dtype.is_float:
        np.testing.assert_array_equal(got, want)
        return
    step = float(ml_dtypes.finfo(want.dtype).eps)  # a few of the type's own roundings are nobody's fault
    wide = np.float64
    np.testing.assert_allclose(got.astype(wide), want.astype(wide), rtol=max(rtol, 4 * step), atol=max(atol, step))


@pytest.mark.parametrize("case", some("numbers"))
def test_a_graph_of_several_nodes_gives_what_onnx_expects(case: Any):
    for answers, expected in run(case):
        for value, want in zip(case.model.graph.output, expected, strict=True):
            assert_as_expected(answers[value.name], want, max(case.rtol, 1e-4), max(case.atol, 1e-5))


@pytest.mark.parametrize("case", some("random"))
def test_a_random_operator_gives_the_shape_and_dtype(case: Any):
    for answers, expected in run(case):
        for value, want in zip(case.model.graph.output, expected, strict=True):
            answer = answers[value.name]
            assert (answer.shape, answer.dtype) == (want.shape, want.dtype)


@pytest.mark.parametrize("case", some("refused"))
def test_what_has_no_place_in_a_plan_is_refused_by_code(case: Any):
    with pytest.raises(UserError) as refusal:
        burnish.build(case.model)
    assert refusal.value.code == REFUSED_TENSORS.get(case.name, refusal.value.code)
    assert refusal.value.code in REFUSED
    assert refusal.value.where and refusal.value.hint


def test_the_kinds_are_what_onnx_has():
    """If ONNX's cases change, the numbers here do: then look whether the refusals are still the ones documented."""
    assert len(CASES["numbers"]) > 400
    assert len(CASES["refused"]) > 50
    assert len(CASES["random"]) >= 6
