"""Contractions whose B is kept in few bits, with their operands and a float64 answer."""

from __future__ import annotations

import numpy as np

from burnish.dims import Dim, symbol
from burnish.dtypes import DType
from burnish.kernels.blocks import Blocks
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction, Store
from burnish.ops.language.expr import Axis, acc, axis
from tests.targets.cpu.contractions import Case, as_aligned, tolerance

F32 = DType.F32


def product_of_codes(
    m: int,
    n: int,
    k: int,
    *,
    bits: int = 4,
    size: int = 32,
    zero: DType | None = None,
    scale: DType = F32,
    dtype: DType = F32,
    batch: int = 1,
    rows_apart: int = 0,
    is_symbolic: bool = False,
) -> Case:
    """[batch, m, k] @ [k, n]; scales have both signs. rows_apart: elements between rows of A and of the result."""
    rng = np.random.default_rng(0)
    blocks, rows = -(-k // size), symbol("m") if is_symbolic else m
    codes = rng.integers(0, 1 << bits, (k, n)).astype(np.uint8)
    scales = rng.standard_normal((blocks, n)).astype(scale.numpy)
    zeros = None if zero is None else rng.uniform(0, 1 << bits, (blocks, n)).astype(zero.numpy)
    centred = codes.astype(np.float64)
    if zeros is None:
        centred = np.where(codes >> (bits - 1), centred - (1 << bits), centred)
    else:
        centred = centred - np.repeat(zeros.astype(np.float64), size, 0)[:k]
    weights = centred * np.repeat(scales.astype(np.float64), size, 0)[:k]
    a = rng.standard_normal((batch, m, k + rows_apart)).astype(dtype.numpy)
    kernel = _kernel((batch, rows, n, k), Blocks(size, bits, 2, None if zeros is None else 3), zero, scale, dtype,
                     rows_apart)  # fmt: skip
    expected = a[..., :k].astype(np.float64) @ weights
    parts = [scales] if zeros is None else [scales, zeros]
    scale_of_sum = float(np.abs(weights).max(initial=1.0))
    sizes = {"m": m} if is_symbolic else {}
    return Case(kernel, as_aligned(a), codes, [as_aligned(p) for p in parts], expected,
                tolerance(F32, k) * scale_of_sum, sizes, output=2 + len(parts))  # fmt: skip


def _kernel(
    extents: tuple[int, Dim, int, int],
    blocks: Blocks,
    zero: DType | None,
    scale: DType,
    dtype: DType,
    rows_apart: int,
) -> Contraction:
    g, p, n, k = (Axis(name, extent) for name, extent in zip("gpnk", extents))
    count, row, out_row = blocks.count(extents[3]), extents[3] + rows_apart, extents[2] + rows_apart
    m = extents[1]
    slots = [
        Slot(dtype, (extents[0], m, extents[3]), (m * row, row, 1)),
        Slot(DType.U8, (extents[3], extents[2]), (extents[2], 1)),
        Slot(scale, (count, extents[2]), (extents[2], 1)),
        *([Slot(zero, (count, extents[2]), (extents[2], 1))] if zero is not None else []),
        Slot(F32, (extents[0], m, extents[2]), (m * out_row, out_row, 1)),
    ]
    store = Store(len(slots) - 1, (axis(g), axis(p), axis(n)), acc(0, F32))
    a_strides, b_strides = ((g, m * row), (p, row), (k, 1)), ((k, extents[2]), (n, 1))
    return Contraction(tuple(slots), (g, p), n, (k,), a_strides, b_strides, True, (store,), blocks=blocks)
