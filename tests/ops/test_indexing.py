"""Gather and its kin: negative indexes, indexes out of range, known indexes as views."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.ops.language.definition import NodeView, Tensor, View
from burnish.ops.language.node_view import constant_tensor
from burnish.ops.registry import define

from .interpret import interpret
from .onnx_node import assert_same

few = settings(max_examples=40, deadline=None, derandomize=True)


def data(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@few
@given(st.lists(st.integers(-4, 3), min_size=1, max_size=5), st.integers(0, 1))
def test_gather_by_known_indexes(indices, axis):
    assert_same("Gather", [data(4, 4), np.asarray(indices, np.int64)], axis=axis)


def gather(shape, indices, known=True):
    tensor = constant_tensor("i", np.asarray(indices, np.int64))
    if not known:
        tensor = Tensor("i", DType.I64, tensor.shape)
    node = NodeView("Gather", "node", (Tensor("x", DType.F32, shape), tensor), {"axis": 0}, ("y",), 22)
    (definition,) = define(node)
    return definition


def test_windows_are_views_that_overlap_and_give_the_right_elements():
    windows = np.arange(3)[:, None] + 2 * np.arange(4)[None, :]
    assert isinstance(gather((9,), windows), View)
    assert not isinstance(gather((9,), windows**2 % 9), View)
    assert_same("Gather", [data(9, 2), windows.astype(np.int64)], axis=0)


def test_evenly_spaced_known_indexes_are_a_view():
    for indices in (2, [2], [0, 1, 2], [3, 1], [-1, -2]):
        assert isinstance(gather((4, 3), indices), View)


def test_an_index_that_a_symbolic_axis_may_not_have_is_no_view():
    n = symbol("n")
    assert isinstance(gather((n, 3), 0), View)
    assert isinstance(gather((n, 3), -1), View)
    assert not isinstance(gather((n, 3), 5), View)


def test_indexes_out_of_range_never_leave_the_tensor():
    x, indices = data(3, 2), np.asarray([7, -9, 1])
    result = interpret(gather((3, 2), indices, known=False), {"x": x, "i": indices})
    np.testing.assert_array_equal(result, x[[2, 0, 1]])


@few
@given(st.integers(0, 2), st.randoms(use_true_random=False))
def test_gather_elements_along_any_axis(axis, random):
    x = data(3, 4, 2)
    indices = np.asarray([random.randint(-x.shape[axis], x.shape[axis] - 1) for _ in range(24)]).reshape(x.shape)
    assert_same("GatherElements", [x, indices.astype(np.int64)], axis=axis)


def test_gather_nd_with_batches():
    indices = np.asarray([[[1], [0]], [[-1], [2]]], np.int64)
    assert_same("GatherND", [data(2, 3, 4), indices], batch_dims=1)


def test_one_hot_wraps_negative_indexes_and_ignores_those_out_of_range():
    values = np.asarray([2, 5], np.float32)
    assert_same("OneHot", [np.asarray([0, -1, 9], np.int64), np.asarray(4, np.int64), values], axis=0)
