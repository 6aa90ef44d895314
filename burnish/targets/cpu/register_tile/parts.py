"""An f32 number as a sum of three bf16 parts, so that the tile unit multiplies f32.

    x = hi + mid + lo        hi = bf16(x), mid = bf16(x - hi), lo = x - hi - mid; both differences are exact in f32
    x y = hi hi + hi mid + mid hi + mid mid + hi lo + lo hi           the terms left out are below 2^-22 |x y|

A product of two parts is exact in f32, as that of any two bf16. Each term of a step is summed by the unit from zero and
then added to the sums (matrix.py), so that sums are rounded six times in 32 k, where multiply-adds round them 32 times.

limits   a part below 2^-126 is zero, as every subnormal: a number below 2^-110 loses its last bits, one by one
         a number beyond 3.39e38 rounds to infinity; then, and for infinity and NaN, mid and lo are no numbers, and so
         are all sums of that row (Rows that are no numbers are computed once more: contraction/write_parts.py)
source   Henry, Tang and Heinecke 2019 (arXiv 1904.06376); oneMKL calls it FLOAT_TO_BF16X3
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from llvmlite import ir

from burnish.dtypes import DType
from burnish.targets.cpu.builder import KernelBuilder
from burnish.targets.cpu.expressions import storage

HI, MID, LO = PARTS = (0, 1, 2)
# the terms of a product, A's part and B's: neighbours share a part, so that few tiles are loaded; small ones first
TERMS = ((LO, HI), (MID, HI), (MID, MID), (HI, MID), (HI, LO), (HI, HI))


def split(k: KernelBuilder, value: ir.Value) -> list[ir.Value]:
    """hi, mid and lo of f32 values, as they lie in memory."""
    found, rest = [], value
    for part in PARTS:
        found.append(storage.to_storage(k, DType.BF16, rest))
        if part != LO:
            rest = k.ir.fsub(rest, storage.to_register(k, DType.BF16, found[-1]))
    return found


def split_constants(array: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """hi, mid and lo of constants; infinity and NaN are hi alone, and a hi that would become infinite is cut off.

    So the sum of the parts is always the number itself, but for parts below 2^-126.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        hi = array.astype(ml_dtypes.bfloat16)
        cut = (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32).astype(ml_dtypes.bfloat16)
        hi = np.where(np.isinf(hi.astype(np.float32)) & np.isfinite(array), cut, hi)
        rest = np.where(np.isfinite(array), array - hi.astype(np.float32), np.float32(0))
        mid = rest.astype(ml_dtypes.bfloat16)
        lo = (rest - mid.astype(np.float32)).astype(ml_dtypes.bfloat16)
    return [hi, mid, lo]
