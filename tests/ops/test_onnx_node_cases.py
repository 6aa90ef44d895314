"""ONNX's own node tests: every case whose operator has a definition gives ONNX's expected outputs.

Which cases have one is recorded (tests/data/native.json): to lose one is a failure, here and in tests/test_native.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dims import DimExpr, evaluate
from burnish.dtypes import DType
from burnish.ops.inference.infer import infer
from burnish.ops.language.definition import Recurrent, Trees
from tests.native import DEFINED, cases_where, known_inputs, open_first_input
from tests.node_cases import ROUNDED

from .interpret import interpret, sums_over_trees


@pytest.mark.parametrize("case", cases_where("definition", DEFINED.__eq__), ids=lambda c: c.name)
def test_definition_gives_onnx_expected_output(case):
    for n in range(len(case.data_sets)):
        model, known = known_inputs(case, n)
        found = infer(model.graph, known)
        check(found, _defined(model, found), case.inputs(n), case.expected(n), ROUNDED.get(case.name, 0))


@pytest.mark.parametrize("case", cases_where("symbols", DEFINED.__eq__), ids=lambda c: c.name)
def test_symbolic_definition_agrees_once_its_symbols_are_bound(case):
    """The first input's dimensions are symbols; what follows for shapes and elements holds for the case's sizes."""
    model, known = known_inputs(case)
    known, sizes = open_first_input(model, known)
    found = infer(model.graph, known)
    check(found, _defined(model, found), case.inputs(), case.expected(), ROUNDED.get(case.name, 0), sizes)


def _defined(model, found):
    """The model's node, which must have a definition."""
    (node,) = model.graph
    assert node not in found.undefined, found.undefined[node]
    return node


def check(found, node, values, expected, loose=0, sizes=None):
    """Shapes, dtypes and elements of every output; the known elements too."""
    definitions = found.definitions[node]
    if isinstance(definitions[0], Trees):
        values = values | {definitions[0].sums.name: sums_over_trees(definitions[0], values)}
        definitions = definitions[0].outputs
    for value, definition in zip(node.outputs, definitions):
        if value.name not in expected:
            continue
        want = expected[value.name]
        tensor = found.tensors[value]
        sizes = sizes or {}
        assert tuple(evaluate(d, sizes) for d in tensor.shape) == want.shape
        assert tensor.dtype is DType.of(want.dtype)
        if definition is None or isinstance(definition, Recurrent) or isinstance(definitions[0], Recurrent):
            continue
        _assert_close(interpret(definition, values, sizes), want, loose)
        if tensor.elements is not None:
            elements = [evaluate(e, sizes) if isinstance(e, DimExpr) else e for e in tensor.elements]
            array = np.asarray(elements).reshape(want.shape).astype(want.dtype)
            _assert_close(array, want, loose)


def _assert_close(got, want, loose):
    if not DType.of(want.dtype).is_float:
        np.testing.assert_array_equal(got, want)
        return
    tolerance = max(loose, {1: 0, 2: 4e-3, 4: 1e-5, 8: 1e-7}[want.dtype.itemsize])
    np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=tolerance)
