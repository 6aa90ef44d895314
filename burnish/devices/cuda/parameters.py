"""Kernel parameters as the driver reads them: an array with the address of each parameter's bytes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from burnish.devices.cuda.driver import Address, Integer, Parameter, TensorMap
from burnish.dtypes import DType

MAP_BYTES, MAP_ALIGN_BYTES = 128, 64
# CUtensorMapDataType; data that is only moved is named by its width
MAP_TYPES = {
    DType.F64: 8, DType.F32: 7, DType.F16: 6, DType.BF16: 9, DType.I64: 5, DType.U64: 4, DType.I32: 3, DType.U32: 2,
    DType.I16: 1, DType.U16: 1, DType.I8: 0, DType.U8: 0, DType.BOOL: 0, DType.F8E4M3: 0, DType.F8E5M2: 0,
}  # fmt: skip
SWIZZLES = {0: 0, 32: 1, 64: 2, 128: 3}  # CUtensorMapSwizzle
_PROMOTE_TO_128_BYTES = 2  # CUtensorMapL2promotion
_SIGNATURE = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint32,
    *[ctypes.c_void_p] * 5,
    *[ctypes.c_int] * 4,
)


class MapEncoder:
    """cuTensorMapEncodeTiled, at an address. `refuse` raises the error for a failure result."""

    def __init__(self, address: int, refuse: Callable[[int, str], None]) -> None:
        self._call, self._refuse = _SIGNATURE(address), refuse

    def __call__(self, tensor: TensorMap, place: int) -> None:
        """Write the map's 128 bytes at `place`. E526 if the copy engine cannot see a tensor so."""
        axes, size_bytes = len(tensor.shape), tensor.dtype.size_bytes
        sizes = (ctypes.c_uint64 * axes)(*reversed(tensor.shape))
        strides = (ctypes.c_uint64 * max(axes - 1, 1))(*(n * size_bytes for n in reversed(tensor.strides[:-1])))
        spans = [n * step for n, step in zip(tensor.box, tensor.steps, strict=True)]  # as the driver counts
        box = (ctypes.c_uint32 * axes)(*reversed(spans))
        steps = (ctypes.c_uint32 * axes)(*reversed(tensor.steps))
        kind, swizzle = MAP_TYPES[tensor.dtype], SWIZZLES[tensor.swizzle]
        result = self._call(
            place, kind, axes, tensor.address, sizes, strides, box, steps, 0, swizzle, _PROMOTE_TO_128_BYTES, 0
        )
        if result:
            self._refuse(result, f"encode {tensor}")


def pack(parameters: Sequence[Parameter], encode: Callable[[TensorMap, int], None] | None) -> tuple[int, object]:
    """The address of the array of addresses, and the objects that must live as long as it is used."""
    places: list[int] = []
    keep: list[Any] = []
    for parameter in parameters:
        if isinstance(parameter, TensorMap):
            assert encode is not None
            raw = ctypes.create_string_buffer(MAP_BYTES + MAP_ALIGN_BYTES)
            place = -(-ctypes.addressof(raw) // MAP_ALIGN_BYTES) * MAP_ALIGN_BYTES
            encode(parameter, place)
        else:
            raw = _number(parameter)
            place = ctypes.addressof(raw)
        keep.append(raw)
        places.append(place)
    table = (ctypes.c_void_p * max(len(places), 1))(*places)
    keep.append(table)
    return ctypes.addressof(table), keep


def _number(parameter: Address | Integer) -> Any:
    if isinstance(parameter, Address):
        return ctypes.c_uint64(parameter.value)
    return ctypes.c_int32(parameter.value) if parameter.bits == 32 else ctypes.c_int64(parameter.value)
