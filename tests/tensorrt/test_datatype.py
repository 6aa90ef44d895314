"""Types in TensorRT's, numpy's and Burnish's words."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.tensorrt.datatype import data_type


@pytest.mark.parametrize(
    ("dtype", "numpy_type", "size"),
    [
        (trt.float32, np.float32, 4),
        (trt.float16, np.float16, 2),
        (trt.bfloat16, ml_dtypes.bfloat16, 2),
        (trt.int8, np.int8, 1),
        (trt.int32, np.int32, 4),
        (trt.int64, np.int64, 8),
        (trt.uint8, np.uint8, 1),
        (trt.bool, np.bool_, 1),
        (trt.fp8, ml_dtypes.float8_e4m3fn, 1),
    ],
)
def test_a_type_has_numpys_type_and_its_size(dtype: trt.DataType, numpy_type: type, size: int) -> None:
    assert np.dtype(trt.nptype(dtype)) == np.dtype(numpy_type)
    assert dtype.itemsize == size
    assert data_type(np.dtype(numpy_type), "here") is dtype


@pytest.mark.parametrize("dtype", [trt.DataType.INT4, trt.DataType.FP4, trt.DataType.E8M0])
def test_types_that_burnish_has_not_are_refused(dtype: trt.DataType) -> None:
    with pytest.raises(UserError, match="E655"):
        trt.nptype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.complex64, DType.STRING, "no type"])
def test_types_that_tensorrt_has_not_are_refused_and_say_where(dtype: object) -> None:
    with pytest.raises(UserError, match=r"(?s)E655.*where: input 'x'"):
        data_type(dtype, "input 'x'")


def test_volume_is_the_product_and_one_for_none() -> None:
    assert trt.volume((2, 3, 4)) == 24
    assert trt.volume(()) == 1
    assert trt.volume(trt.Dims([5, 0])) == 0
