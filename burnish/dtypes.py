"""Element types. Each has one short name (f32, bf16, i64, u8, bool ...), and its numpy and ONNX types."""

from __future__ import annotations

import enum
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np


class DType(enum.Enum):
    """An element type. The value is its name in messages, manifests and keys."""

    F64 = "f64"
    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    F8E4M3 = "f8e4m3"
    F8E5M2 = "f8e5m2"
    I64 = "i64"
    I32 = "i32"
    I16 = "i16"
    I8 = "i8"
    U64 = "u64"
    U32 = "u32"
    U16 = "u16"
    U8 = "u8"
    BOOL = "bool"
    STRING = "string"
    I4 = "i4"
    U4 = "u4"
    I2 = "i2"
    U2 = "u2"
    F4E2M1 = "f4e2m1"
    F8E4M3FNUZ = "f8e4m3fnuz"
    F8E5M2FNUZ = "f8e5m2fnuz"
    F8E8M0 = "f8e8m0"
    C64 = "c64"
    C128 = "c128"

    @cached_property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy type of the same bytes (object for strings)."""
        return _NUMPY[self.value]

    @property
    def onnx(self) -> int:
        """ONNX's TensorProto.DataType number."""
        return _ONNX[self.value]

    @cached_property
    def size_bytes(self) -> int:
        return self.numpy.itemsize

    @property
    def is_float(self) -> bool:
        return self.value.startswith(("f", "bf"))

    @property
    def is_signed(self) -> bool:
        return self.value.startswith("i")

    @property
    def is_integer(self) -> bool:
        """Signed or unsigned; bool is not an integer."""
        return self.value[0] in "iu"

    @property
    def has_kernels(self) -> bool:
        """Whether native kernels load, store and compute this type. Reference kernels handle the other types."""
        return self.value in _WITH_KERNELS

    def __repr__(self) -> str:
        return f"DType.{self.name}"

    @staticmethod
    def of(dtype: object) -> DType:
        """The element type of a numpy dtype, or of anything that numpy accepts as one. KeyError if there is none."""
        return _FROM_NUMPY[np.dtype(dtype)]  # type: ignore[call-overload]

    @staticmethod
    def from_onnx(number: int) -> DType:
        return _FROM_ONNX[int(number)]


_KINDS: dict[str, Any] = {
    "f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16,
    "f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2,
    "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
    "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8,
    "bool": np.bool_, "string": np.object_, "c64": np.complex64, "c128": np.complex128,
    "i4": ml_dtypes.int4, "u4": ml_dtypes.uint4, "i2": ml_dtypes.int2, "u2": ml_dtypes.uint2,
    "f4e2m1": ml_dtypes.float4_e2m1fn, "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz, "f8e8m0": ml_dtypes.float8_e8m0fnu,
}  # fmt: skip
_WITH_KERNELS = frozenset({  # of f8e4m3 only on targets with `Abilities.stores_float8`
    "f8e4m3", "f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool",
})  # fmt: skip
_ONNX = {
    "f32": 1, "u8": 2, "i8": 3, "u16": 4, "i16": 5, "i32": 6, "i64": 7, "string": 8, "bool": 9, "f16": 10, "f64": 11,
    "u32": 12, "u64": 13, "c64": 14, "c128": 15, "bf16": 16, "f8e4m3": 17, "f8e4m3fnuz": 18, "f8e5m2": 19,
    "f8e5m2fnuz": 20, "u4": 21, "i4": 22, "f4e2m1": 23, "f8e8m0": 24, "u2": 25, "i2": 26,
}  # fmt: skip
_NUMPY: dict[str, np.dtype[np.generic]] = {name: np.dtype(kind) for name, kind in _KINDS.items()}
_FROM_NUMPY = {v: DType(k) for k, v in _NUMPY.items()}
_FROM_ONNX = {v: DType(k) for k, v in _ONNX.items()}
