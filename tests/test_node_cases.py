"""ONNX's own node tests, built into plans and run: every operator, natively or on the reference kernel.

The first case of every operator runs always; all of them with `-m slow`.
"""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

import burnish

OTHERWISE = {
    "test_resize_downsample_scales_linear_align_corners": "the case takes length_resized as the unrounded 2.4",
}
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}


def _collect():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = np.random.get_state()
        np.random.seed(0)
        cases = collect_testcases(None)
        np.random.set_state(state)
    return [c for c in cases if _is_testable(c)]


def _is_testable(case):
    """One node, not random; sequences, optionals and strings have no place in a plan's memory."""
    graph = case.model.graph
    if len(graph.node) != 1 or graph.node[0].op_type in RANDOM or not case.data_sets:
        return False
    types = [v.type for v in (*graph.input, *graph.output)]
    return all(t.HasField("tensor_type") and t.tensor_type.elem_type != onnx.TensorProto.STRING for t in types)


def _parameters():
    seen, found = set(), []
    for case in _collect():
        op_type = case.model.graph.node[0].op_type
        found.append(pytest.param(case, id=case.name, marks=[pytest.mark.slow] if op_type in seen else []))
        seen.add(op_type)
    return found


@pytest.mark.parametrize("case", _parameters())
def test_a_plan_gives_onnx_expected_output(case):
    if case.name in OTHERWISE:
        pytest.skip(OTHERWISE[case.name])
    inputs, expected = ([_array(v) for v in values] for values in case.data_sets[0])
    names = [v.name for v in case.model.graph.input]
    shapes = {name: array.shape for name, array in zip(names, inputs)}
    engine = burnish.load(burnish.build(case.model, shapes=shapes), threads=1)
    outputs = engine(dict(zip(names, inputs)))
    for value, want in zip(case.model.graph.output, expected):
        got = np.asarray(outputs[value.name])
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        if want.dtype.kind in "fVc":
            wide = np.complex128 if want.dtype.kind == "c" else np.float64
            tolerance = 1e-4 if want.dtype.itemsize >= 4 else 1e-2
            np.testing.assert_allclose(got.astype(wide), want.astype(wide), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got, want)


def _array(value):
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
