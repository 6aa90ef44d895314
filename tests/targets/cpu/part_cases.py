"""Contractions of f32 for the parts form; also for benchmarks/amx.py, so nothing of pytest is here."""

from __future__ import annotations

from typing import Any

from burnish.dtypes import DType
from burnish.kernels.contraction_runs import analyse
from burnish.kernels.schedule import Schedule
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.unit import step_of
from tests.targets.cpu.contractions import Case, convolution, matmul

PART_CASES = {
    "one tile": matmul(16, 16, 32),
    "one element": matmul(1, 1, 2, epilogue="bias", batch=2),
    "few rows": matmul(5, 40, 64, epilogue="residual", a_pad=7, out_pad=3),
    "many rows": matmul(149, 33, 96, epilogue="residual"),
    "whole units": matmul(64, 48, 192, epilogue="residual"),
    "odd depth": matmul(20, 48, 37, a_pad=1),
    "in two slabs": matmul(270, 36, 1024, epilogue="bias"),
    "in three slabs": matmul(80, 20, 6 * 512, epilogue="residual"),
    "symbolic rows": matmul(37, 40, 24, epilogue="residual", symbols=["m"]),
    "no rows": matmul(0, 8, 8, symbols=["m"]),
    "symbolic batch": matmul(18, 20, 24, batch=3, symbols=["batch", "m"], a_pad=2),
    "a matrix for each batch": matmul(20, 33, 11, batch=3, shared_b=False),
    "f16 constants": matmul(50, 40, 96, b_dtype=DType.F16, epilogue="bias"),
    "bf16 constants": matmul(50, 40, 96, b_dtype=DType.BF16),
    "3x3": convolution(7, 7, 32, 48),
    "stem": convolution(5, 9, 3, 20, 7, 2),
    "3x3 of images": convolution(7, 7, 16, 40, batch=3),
    "1x1 into a halo": convolution(7, 7, 32, 40, 1, batch=2, out_halo=2),
    "1x1 strided": convolution(6, 5, 16, 24, 1, 2, pad_channels=16),
    "grouped": convolution(8, 8, 4, 6, groups=3, batch=2),
    "dilated": convolution(9, 4, 6, 8, dilation=2),
    "images": convolution(4, 4, 8, 16, batch=3, batch_symbol=True),
    "channels first": convolution(6, 7, 8, 17, out_first=True),
}
PART_SHAPES = [(32, 2), (16, 1), (48, 1), (16, 3), (32, 1), (9, 2)]


def in_parts(case: Case, rows: int = 32, vectors: int = 2, **options: Any) -> Schedule:
    """A schedule in the parts form."""
    step = step_of(case.kernel, analyse(case.kernel))
    named = {"axis": 0, "fold": False, "block": 2, "prefetch": 0, "spread": 0, "serial": False, "unroll": step}
    return ContractionOptions(form="parts", rows=rows, vectors=vectors, lanes=16, **(named | options)).schedule
