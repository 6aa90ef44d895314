"""Dims behave as TensorRT's do; Weights read what they are given."""

from __future__ import annotations

import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from burnish.tensorrt.dims import weights_array


def test_dims_equal_tuples_and_lists_and_are_indexed_sliced_and_set() -> None:
    dims = trt.Dims((2, 3, 4))
    assert dims == (2, 3, 4) and dims == [2, 3, 4] and dims != (2, 3)
    assert dims[1:] == (3, 4) and dims[-1] == 4 and len(dims) == 3
    dims[0] = 7
    assert tuple(dims) == (7, 3, 4)
    assert repr(dims) == "(7, 3, 4)" and repr(trt.Dims([5])) == "(5,)"
    assert np.zeros(dims).shape == (7, 3, 4)


def test_dims_of_a_rank_take_numbers_or_a_sequence() -> None:
    assert trt.Dims4(1, 2, 3, 4) == trt.Dims4((1, 2, 3, 4)) == (1, 2, 3, 4)
    assert trt.Dims2() == ()
    size = trt.DimsHW(5, 6)
    size.h, size.w = size.w, size.h
    assert (size.h, size.w) == (6, 5)
    with pytest.raises(UserError, match=r"E651.*Dims3 takes 3 dimensions, not 2"):
        trt.Dims3(1, 2)
    with pytest.raises(UserError, match="at most 8"):
        trt.Dims(range(9))


def test_weights_come_from_arrays_pointers_or_nothing() -> None:
    array = np.arange(6, dtype=np.float32)
    by_pointer = trt.Weights(trt.float32, array.ctypes.data, 6)
    by_name = trt.Weights(type=trt.float32, ptr=array.ctypes.data, count=6)
    for weights in (trt.Weights(array), by_pointer, by_name, trt.Weights(trt.Weights(array))):
        np.testing.assert_array_equal(weights.numpy(), array)
        assert (weights.dtype, weights.size, weights.nbytes, len(weights)) == (trt.float32, 6, 24, 6)
    assert trt.Weights().size == 0 and trt.Weights(trt.int8).dtype is trt.int8
    assert weights_array(trt.Weights()) is None and weights_array(None) is None


def test_weights_that_are_no_numbers_tensorrt_knows_are_refused() -> None:
    with pytest.raises(UserError, match="E655"):
        trt.Weights(np.zeros(2, np.complex64))
