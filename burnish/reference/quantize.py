"""QuantizeLinear and DynamicQuantizeLinear.

For a NaN, and for values beyond an i32, onnx's own result depends on the processor.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from burnish.dtypes import DType

Array = np.ndarray[Any, Any]


def quantize_linear(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Array:
    """saturate(round(x / scale) + zero_point), with a scale for the tensor, each place on the axis, or each block"""
    to = (
        (DType.from_onnx(output_dtype) if output_dtype else DType.U8)
        if zero_point is None
        else DType.of(zero_point.dtype)
    )
    wide = DType.from_onnx(precision).numpy if precision else np.result_type(x.dtype, np.float32)
    with np.errstate(all="ignore"):
        quotient = x.astype(wide) / _spread(scale, x.shape, axis, block_size).astype(wide)
    zero = None if zero_point is None else _spread(zero_point, x.shape, axis, block_size)
    if to.is_integer:
        return quantized(quotient, zero, to.numpy)
    return _to_float(quotient if zero is None else quotient + zero.astype(wide), to, bool(saturate))


def _spread(parameter: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """A scale or zero point, so that it broadcasts against x."""
    if parameter.size == 1:
        return parameter.reshape((1,) * len(shape))
    axis %= len(shape)
    if block:
        return np.take(parameter, np.arange(shape[axis]) // block, axis=axis)
    return parameter.reshape([-1 if a == axis else 1 for a in range(len(shape))])


def _to_float(x: Array, to: DType, saturate: bool) -> Array:
    """A number beyond the type's largest becomes the largest, or the type's own value for it (infinity or NaN)."""
    if saturate:
        largest = float(ml_dtypes.finfo(to.numpy).max)
        x = np.where(np.isnan(x), x, np.clip(x, -largest, largest))
    with np.errstate(all="ignore"):
        return x.astype(to.numpy)


def quantized(x: Array, zero_point: Any, dtype: np.dtype[Any]) -> Array:
    """saturate(round(x) + zero_point); infinities saturate and a NaN is the lowest number"""
    info = ml_dtypes.iinfo(dtype)
    low, high = int(info.min), int(info.max)
    shifted = np.rint(x) + (0 if zero_point is None else np.asarray(zero_point).astype(x.dtype))
    whole = np.clip(np.nan_to_num(shifted, nan=low, posinf=high, neginf=low), low, high).astype(np.int64)
    return np.asarray(whole.astype(dtype))


def dynamic_quantize_linear(x: Array) -> tuple[Array, Array, Array]:
    """u8 over the range of x and 0. The scale of zeros is 1."""
    low = np.minimum(np.min(x, initial=0), 0).astype(np.float32)
    high = np.maximum(np.max(x, initial=0), 0).astype(np.float32)
    scale = np.float32(1) if low == high else (high - low) / np.float32(255)
    zero = quantized(np.asarray(-low / scale), None, np.dtype(np.uint8))
    return quantized(x / scale, zero, np.dtype(np.uint8)), np.asarray(scale, x.dtype), zero
