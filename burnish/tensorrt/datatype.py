"""DataType, and the matching types of numpy and Burnish."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.tensorrt.enums import TensorRTEnum

__all__ = [
    "DataType", "bfloat16", "bool", "float16", "float32", "fp8", "int8", "int32", "int64", "nptype", "uint8", "volume",
]  # fmt: skip


class DataType(TensorRTEnum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8, FP8, BF16, INT64, INT4, FP4, E8M0 = range(12)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return burnish_dtype(self).size_bytes


_BURNISH = {
    DataType.FLOAT: DType.F32, DataType.HALF: DType.F16, DataType.INT8: DType.I8, DataType.INT32: DType.I32,
    DataType.BOOL: DType.BOOL, DataType.UINT8: DType.U8, DataType.FP8: DType.F8E4M3, DataType.BF16: DType.BF16,
    DataType.INT64: DType.I64,
}  # fmt: skip
_TENSORRT = {b: t for t, b in _BURNISH.items()}


def burnish_dtype(dtype: DataType) -> DType:
    """The element type in Burnish's words; E655 for INT4, FP4 and E8M0."""
    if dtype not in _BURNISH:
        raise UserError(
            "E655",
            f"{dtype} has no Burnish type yet",
            hint=f"use one of {', '.join(t.name for t in _BURNISH)}",
        )
    return _BURNISH[dtype]


def data_type(dtype: object, where: str) -> DataType:
    """TensorRT's name of a Burnish or numpy element type; E655 if there is none (f64, strings ...)."""
    found = dtype if isinstance(dtype, DType) else None
    if found is None:
        try:
            found = DType.of(dtype)
        except (KeyError, TypeError):
            found = None
    if found not in _TENSORRT:
        raise UserError(
            "E655",
            f"TensorRT has no name for elements of type {found.value if found else dtype}",
            where=where,
            hint="cast it in the model, or use burnish.build and burnish.load, which take every ONNX type",
        )
    return _TENSORRT[found]


def nptype(trt_type: DataType) -> Any:
    """The numpy scalar type of a DataType (ml_dtypes' for bfloat16 and fp8)."""
    return burnish_dtype(trt_type).numpy.type


def volume(iterable: Iterable[int]) -> int:
    """The product of the dimensions; 1 for none."""
    return int(np.prod(list(iterable), dtype=np.int64))


float32, float16, int8, int32 = DataType.FLOAT, DataType.HALF, DataType.INT8, DataType.INT32
bool, uint8, fp8, bfloat16, int64 = DataType.BOOL, DataType.UINT8, DataType.FP8, DataType.BF16, DataType.INT64
