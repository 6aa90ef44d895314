"""ONNX's own node tests: every case whose operator has a definition gives ONNX's expected outputs."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnx.numpy_helper
import onnx_ir as ir
import pytest

from burnish.dims import DimExpr, evaluate, symbol
from burnish.dtypes import DType
from burnish.ops.inference.infer import infer
from burnish.ops.language.definition import Recurrent, Tensor
from burnish.ops.language.node_view import constant_tensor
from burnish.ops.registry import is_defined

from .interpret import interpret

ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-4}  # expected outputs of four digits
OTHERWISE = {  # we do as ONNX Runtime and the exporters do
    "test_resize_downsample_scales_linear_align_corners": "the case takes length_resized as the unrounded 2.4",
}


def _collect():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = np.random.get_state()
        np.random.seed(0)
        cases = collect_testcases(None)
        np.random.set_state(state)
    return [c for c in cases if _is_ours(c.model)]


def _is_ours(model):
    nodes = model.graph.node
    return len(nodes) == 1 and not model.functions and is_defined(nodes[0].domain, nodes[0].op_type)


CASES = _collect()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_definition_gives_onnx_expected_output(case):
    if case.name in OTHERWISE:
        pytest.skip(OTHERWISE[case.name])
    model = ir.from_proto(case.model)
    for inputs, expected in case.data_sets:
        given = [_array(v) for v in inputs]
        try:
            known = {v: constant_tensor(v.name, a) for v, a in zip(model.graph.inputs, given)}
        except KeyError:
            pytest.skip("an element type Burnish does not hold")
        found = infer(model.graph, known)
        (node,) = model.graph
        if node in found.undefined:
            pytest.skip(found.undefined[node])
        values = dict(zip((v.name for v in model.graph.inputs), given))
        wanted = dict(zip((v.name for v in model.graph.outputs), map(_array, expected)))
        check(found, node, values, wanted, ROUNDED.get(case.name, 0))


@pytest.mark.parametrize("case", [c for c in CASES if c.data_sets[0][0]], ids=lambda c: c.name)
def test_symbolic_definition_agrees_once_its_symbols_are_bound(case):
    """The first input's dimensions are symbols; what follows for shapes and elements holds for the case's sizes."""
    if case.name in OTHERWISE:
        pytest.skip(OTHERWISE[case.name])
    model = ir.from_proto(case.model)
    inputs, expected = case.data_sets[0]
    given = [_array(v) for v in inputs]
    first = model.graph.inputs[0]
    try:
        known = {v: constant_tensor(v.name, a) for v, a in zip(model.graph.inputs, given)}
    except KeyError:
        pytest.skip("an element type Burnish does not hold")
    if given[0].ndim == 0:
        pytest.skip("no dimension to leave open")
    sizes = {f"d{n}": size for n, size in enumerate(given[0].shape)}
    shape = tuple(size if size == 1 else symbol(f"d{n}") for n, size in enumerate(given[0].shape))
    known[first] = Tensor(first.name, known[first].dtype, shape)
    found = infer(model.graph, known)
    (node,) = model.graph
    if node in found.undefined:
        pytest.skip(found.undefined[node])
    values = dict(zip((v.name for v in model.graph.inputs), given))
    wanted = dict(zip((v.name for v in model.graph.outputs), map(_array, expected)))
    check(found, node, values, wanted, ROUNDED.get(case.name, 0), sizes)


def check(found, node, values, expected, loose=0, sizes=None):
    """Shapes, dtypes and elements of every output; the known elements too."""
    for value, definition in zip(node.outputs, found.definitions[node]):
        if value.name not in expected:
            continue
        want = expected[value.name]
        tensor = found.tensors[value]
        sizes = sizes or {}
        assert tuple(evaluate(d, sizes) for d in tensor.shape) == want.shape
        assert tensor.dtype is DType.of(want.dtype)
        if definition is None or isinstance(definition, Recurrent) or isinstance(found.definitions[node][0], Recurrent):
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
    tolerance = max(loose, {2: 4e-3, 4: 1e-5, 8: 1e-7}[want.dtype.itemsize])
    np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=tolerance)


def _array(value):
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
