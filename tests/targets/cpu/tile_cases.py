"""Contractions of bf16 and of bytes for the tiles form; also for benchmarks/amx.py, so nothing of pytest is here."""

from __future__ import annotations

from typing import Any

from burnish.dtypes import DType
from burnish.kernels.contraction_runs import analyse
from burnish.kernels.schedule import Schedule
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.unit import step_of
from tests.targets.cpu.contractions import Case, convolution, matmul

BF16, U8, I8 = DType.BF16, DType.U8, DType.I8
CASES = {
    "one tile": matmul(16, 16, 32, dtype=BF16),
    "one element": matmul(1, 1, 2, dtype=BF16, epilogue="bias"),
    "few rows": matmul(5, 40, 64, dtype=BF16, epilogue="residual", a_pad=7, out_pad=3),
    "many rows": matmul(49, 33, 96, dtype=BF16, epilogue="residual"),
    "whole units": matmul(64, 48, 192, dtype=BF16, epilogue="residual"),
    "whole units, shallow": matmul(64, 40, 64, dtype=BF16, epilogue="bias"),
    "odd depth": matmul(20, 48, 37, dtype=BF16, a_pad=1),
    "deep": matmul(33, 16, 300, dtype=BF16, epilogue="bias"),
    "symbolic rows": matmul(37, 40, 24, dtype=BF16, epilogue="residual", symbols=["m"]),
    "no rows": matmul(0, 8, 8, dtype=BF16, symbols=["m"]),
    "few symbolic rows": matmul(3, 40, 24, dtype=BF16, symbols=["m"]),
    "symbolic batch": matmul(18, 20, 24, batch=3, dtype=BF16, symbols=["batch", "m"], a_pad=2),
    "a matrix for each batch": matmul(20, 33, 11, batch=3, shared_b=False, dtype=BF16),
    "3x3": convolution(7, 7, 32, 48, dtype=BF16, b_dtype=BF16),
    "stem": convolution(5, 9, 3, 20, 7, 2, dtype=BF16, b_dtype=BF16),
    "3x3 of images": convolution(7, 7, 16, 40, batch=3, dtype=BF16, b_dtype=BF16),
    "1x1 into a halo": convolution(7, 7, 32, 40, 1, batch=2, out_halo=2, dtype=BF16, b_dtype=BF16),
    "1x1 of images into a halo": convolution(
        3, 5, 20, 33, 1, batch=3, out_halo=1, batch_symbol=True, dtype=BF16, b_dtype=BF16
    ),
    "1x1 strided": convolution(6, 5, 16, 24, 1, 2, pad_channels=16, dtype=BF16, b_dtype=BF16),
    "grouped": convolution(8, 8, 4, 6, groups=3, batch=2, dtype=BF16, b_dtype=BF16),
    "dilated": convolution(9, 4, 6, 8, dilation=2, dtype=BF16, b_dtype=BF16),
    "images": convolution(4, 4, 8, 16, batch=3, batch_symbol=True, dtype=BF16, b_dtype=BF16),
    "channels first": convolution(6, 7, 8, 17, out_first=True, dtype=BF16, b_dtype=BF16),
    "3x3 of bytes": convolution(7, 7, 24, 20, batch=2, dtype=U8, b_dtype=I8),
    "u8s8": matmul(30, 48, 100, dtype=U8, b_dtype=I8, epilogue="residual"),
    "s8s8": matmul(30, 20, 67, dtype=I8, epilogue="bias"),
    "s8u8": matmul(17, 33, 64, dtype=I8, b_dtype=U8),
    "u8u8": matmul(9, 70, 300, dtype=U8),
    "symbolic rows of bytes": matmul(21, 40, 70, dtype=U8, b_dtype=I8, symbols=["m"]),
}
SHAPES = [(32, 2), (16, 1), (64, 1), (16, 4), (32, 1), (9, 2)]


def in_tiles(case: Case, rows: int = 32, vectors: int = 2, **options: Any) -> Schedule:
    """A schedule in the tiles form."""
    step = step_of(case.kernel, analyse(case.kernel))
    named = {"axis": 0, "fold": False, "block": 0, "prefetch": 0, "spread": 0, "serial": False, "unroll": step}
    return ContractionOptions(form="tiles", rows=rows, vectors=vectors, lanes=16, **(named | options)).schedule
