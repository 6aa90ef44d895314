"""drain.py: rows of a finished unit are spread over steps, and rows of bf16 are stored as whole lines."""

from __future__ import annotations

import dataclasses

import ml_dtypes
import numpy as np
import pytest
from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.target import Target, parse_target
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.codegen import assembly
from burnish.targets.cpu.contraction import template as contraction
from burnish.targets.cpu.contraction.drain import Share, share_of
from burnish.targets.cpu.contraction.unit import Unit
from tests.targets.cpu.contractions import Case, check, matmul
from tests.targets.cpu.run_kernel import runnable
from tests.targets.cpu.tile_cases import CASES, in_tiles

BF16 = DType.BF16
ROUNDS = Target("cpu", "x86-64-v4", ("bf16",))


@pytest.mark.parametrize(
    ("height", "depth", "share"),
    [
        (16, 32, Share(2, 16, 1, 1)), (16, 64, Share(1, 16, 1, 2)), (16, 96, Share(1, 16, 1, 2)),
        (16, 128, Share(1, 8, 2, 4)), (14, 256, Share(1, 4, 4, 8)), (13, 768, Share(1, 2, 7, 14)),
        (16, 4096, Share(1, 1, 16, 32)),
    ],
)  # fmt: skip
def test_every_row_falls_to_one_step(height: int, depth: int, share: Share) -> None:
    unit = Unit(rows=2, columns=2, height=height, step=32, item=2, inner=depth, runs=1)
    assert share_of(unit) == share
    assert share.steps <= unit.steps and share.parts * share.rows >= height > (share.parts - 1) * share.rows


def test_a_step_of_several_row_tiles_takes_equally_many_each_time() -> None:
    for rows in (1, 2, 3, 4):
        for steps in (1, 2, 3):
            share = share_of(Unit(rows, 1, 16, 32, 2, 32 * steps, 1))
            assert share.tiles * share.steps == rows * share.parts and share.steps <= steps


def in_bf16(case: Case) -> Case:
    """The same product, its result rounded to bf16."""
    slots = list(case.kernel.slots)
    slots[2] = Slot(BF16, slots[2].shape, slots[2].strides)
    return dataclasses.replace(case, kernel=dataclasses.replace(case.kernel, slots=tuple(slots)), tolerance=2**-8)


@pytest.mark.skipif(not runnable(ROUNDS), reason="this machine rounds no vectors to bf16")
@pytest.mark.parametrize(
    "name", ["few rows", "many rows", "whole units", "channels first", "3x3", "symbolic rows", "deep"]
)
def test_results_of_two_column_tiles_are_rounded_as_each_would_be(name: str) -> None:
    exact = check(CASES[name], in_tiles(CASES[name], 32, 2), ROUNDS, (1,))
    rounded = exact.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float64)
    case = dataclasses.replace(in_bf16(CASES[name]), expected=rounded, tolerance=0.0)
    for rows, vectors in ((32, 2), (16, 4), (64, 1)):
        check(case, in_tiles(case, rows, vectors), ROUNDS, (1, 3))


def test_rows_of_bf16_are_stored_as_whole_lines() -> None:
    case = in_bf16(matmul(64, 64, 64, dtype=BF16, epilogue="bias"))
    target, module = parse_target("cpu:x86-64-v4+amx"), ir.Module("kernel")
    kernel = contraction.emit(KernelContext(module, target, {}), case.kernel, in_tiles(case), "kernel")
    kernel.linkage = "external"
    text = assembly(module, target)
    assert "vcvtne2ps2bf16" in text and "vcvtneps2bf16" not in text
