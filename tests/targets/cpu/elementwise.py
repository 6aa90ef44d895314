"""Kernels of one operator over one-dimensional arrays, and how far results are from the truth."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import UNARY, Axis, Expr, axis, binary, cast, load, unary
from burnish.target import Target
from burnish.targets.cpu.loops import template as loops
from tests.targets.cpu.run_kernel import Compiled, undefined_symbols

Array = np.ndarray[Any, Any]
LENGTH = 4096


@functools.cache
def _kernel(op: str, source: DType, inside: DType, result: DType, target: Target) -> Compiled:
    i = Axis("i", LENGTH)
    operands: list[Expr] = [cast(load(n, source, [axis(i)]), inside) for n in (0, 1)]
    if op == "cast":
        value = cast(operands[0], result)
    else:
        value = unary(op, operands[0]) if op in UNARY else binary(op, *operands)
    slots = tuple(Slot(d, (LENGTH,), (1,)) for d in (source, source, result))
    kernel = Loops(slots, (i,), (Store(2, (axis(i),), value),))
    schedule = loops.schedules(kernel, target)[0]
    compiled = Compiled(lambda c: loops.emit(c, kernel, schedule, "elementwise"), target)
    assert undefined_symbols(compiled.code) == []
    return compiled


def evaluate(
    op: str, target: Target, x: Array, y: Array | None = None, result: DType | None = None, inside: DType | None = None
) -> Array:
    """op over arrays of any length, by the kernel of that operator.

    inside: what the operands' values are cast to, which rounds none of them; result: as what the values are stored
    """
    source = DType.of(x.dtype)
    wanted = result or (DType.BOOL if op in ("isnan", "isinf", "eq", "ne", "lt", "le", "gt", "ge") else source)
    kernel = _kernel(op, source, inside or source, wanted, target)
    out = np.zeros(-(-x.size // LENGTH) * LENGTH, wanted.numpy)
    left, right = (np.resize(a, out.size).astype(x.dtype) for a in (x, x if y is None else y))
    for n in range(0, out.size, LENGTH):
        kernel([left[n : n + LENGTH].copy(), right[n : n + LENGTH].copy(), (piece := np.zeros(LENGTH, wanted.numpy))])
        out[n : n + LENGTH] = piece
    return out[: x.size]


def worst_ulp(result: Array, truth: Array) -> float:
    """The largest distance from the truth (of a wider dtype), in units of the result's last place at the truth."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        rounded = truth.astype(result.dtype)
        both_nan = np.isnan(result) & np.isnan(rounded)
        same = both_nan | (result == rounded)
        finite = np.isfinite(result) & np.isfinite(rounded)
        overflow = ~same & ~finite
        if np.any(overflow & (np.isnan(result) | np.isnan(rounded))):
            return float("inf")
        largest = np.finfo(result.dtype).max
        wide = np.where(np.isinf(result), np.sign(result) * largest, result).astype(truth.dtype)
        limited = np.where(np.isinf(rounded), np.sign(rounded) * largest, truth)
        distance = np.abs(wide - limited) / np.spacing(np.abs(limited).astype(result.dtype)).astype(truth.dtype)
    distance = np.where(same, 0, distance)
    return float(distance.max())


def all_floats(step: int) -> Array:
    """Every step-th f32 there is, by its bits, and the special ones."""
    bits = np.arange(0, 1 << 32, step, dtype=np.uint64).astype(np.uint32)
    return np.concatenate([bits.view(np.float32), SPECIALS.astype(np.float32)])


def wide_doubles(count: int) -> Array:
    """f64 of all magnitudes, and the special ones."""
    bits = np.random.default_rng(0).integers(0, 1 << 64, count, dtype=np.uint64, endpoint=False)
    return np.concatenate([bits.view(np.float64), SPECIALS])


with np.errstate(over="ignore"):
    SPECIALS = np.array(
        [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-40, 1.17e-38, 3.4e38, -3.4e38, 0.5, -0.5, 2.0,
         88.7, 88.8, -87.3, -103.9, -104.1, 9.01, -9.01, 5.0, 1e10, -1e10, 709.7, 709.8, -745.1, -745.2, 0.9277, 4.1]
    )  # fmt: skip
