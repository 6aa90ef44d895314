"""Slice, Pad, Split, Reshape over arguments that ONNX's node cases do not reach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from burnish.dims import symbol
from burnish.ops.movement import resolve_shape
from burnish.ops.registry import Misfit

from .onnx_node import assert_same, onnxruntime

few = settings(max_examples=40, deadline=None, derandomize=True)
n, m = symbol("n"), symbol("m")


def data(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def i64(*values):
    return np.asarray(values, np.int64)


@few
@given(
    st.integers(1, 7),
    st.integers(-9, 9) | st.sampled_from([2**63 - 1, -(2**63)]),
    st.integers(-9, 9) | st.sampled_from([2**63 - 1, -(2**63)]),
    st.sampled_from([1, 2, 3, -1, -2, -3]),
)
def test_slice_takes_what_onnxruntime_takes(extent, start, end, step):
    """Where a start before the axis meets a negative step, ONNX moves it to 0; numpy takes nothing."""
    assume(step > 0 or end != 2**63 - 1)  # backwards to the largest integer: ONNX Runtime does not follow ONNX
    assert_same("Slice", [data(2, extent), i64(start), i64(end), i64(1), i64(step)], oracle=onnxruntime)


@few
@given(
    st.tuples(st.integers(1, 4), st.integers(2, 5)),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.sampled_from(["constant", "edge", "reflect", "wrap"]),
)
def test_pad_fills_as_numpy_does(shape, pads, mode):
    x = data(*shape)
    if mode == "reflect":
        pads = [min(p, shape[a % 2] - 1) for a, p in enumerate(pads)]
    widths = [(pads[a], pads[2 + a]) for a in range(2)]
    want = np.pad(x, widths, mode, **({"constant_values": 7.0} if mode == "constant" else {}))
    fill = np.float32(7) if mode == "constant" else None
    assert_same(
        "Pad", [x, i64(*pads), None if fill is None else np.asarray(fill)], mode=mode, oracle=lambda *a, **k: [want]
    )


def test_negative_pads_cut():
    assert_same("Pad", [data(4, 5), i64(-1, 2, 0, -2), np.asarray(np.float32(9))], oracle=onnxruntime)


@few
@given(st.permutations(range(4)))
def test_transpose_by_any_order(order):
    assert_same("Transpose", [data(2, 3, 4, 5)], perm=list(order))


@few
@given(st.integers(1, 4), st.integers(4, 9))
def test_split_into_parts_whose_last_may_be_smaller(parts, extent):
    if -(-extent // parts) * (parts - 1) >= extent:
        return
    assert_same("Split", [data(extent, 2)], outputs=parts, num_outputs=parts)


def test_tile_repeats_more_than_single_elements():
    assert_same("Tile", [data(2, 3), i64(2, 3)])


def test_expand_of_an_axis_that_may_be_one_reads_inside_it():
    assert_same("Expand", [data(1, 3), i64(4, 3)])
    assert_same("Expand", [data(4, 3), i64(1, 1)])


def test_reshape_cancels_equal_dims_before_it_divides():
    assert resolve_shape((n, m + 3, 8), (n, m + 3, 2, -1)) == (n, m + 3, 2, 4)
    assert resolve_shape((n, m, 6), (n * m, -1)) == (n * m, 6)
    assert resolve_shape((n, 4), (-1,)) == (n * 4,)


@pytest.mark.parametrize("target", [(5,), (-1, -1), (-1, 0), (4, -1)])
def test_reshape_refuses_what_does_not_fit(target):
    with pytest.raises(Misfit):
        resolve_shape((2, 3), target)


@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap"])
@pytest.mark.parametrize("pads", [(-1, 2), (2, -2), (-1, -1), (3, 0)])
def test_negative_pads_cut_before_the_rest_is_padded(mode, pads):
    x = np.arange(6, dtype=np.float32)
    assert_same("Pad", [x, np.array(pads)], mode=mode, oracle=onnxruntime)
