"""parts.py: three bf16 parts are the number itself; neighbours among the terms share tiles."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from llvmlite import ir

from burnish.dtypes import DType
from burnish.target import parse_target
from burnish.targets.cpu.builder import F32, KernelBuilder, KernelContext
from burnish.targets.cpu.codegen import assembly
from burnish.targets.cpu.register_tile.matrix import Matrix, Rows, multiplier
from burnish.targets.cpu.register_tile.parts import PARTS, TERMS, split, split_constants
from tests.targets.cpu.run_kernel import TARGETS, Compiled, aligned, on_machines

Array = np.ndarray[Any, Any]
COUNT = 4096


def numbers(low: int, high: int) -> Array:
    """Any mantissas, at exponents of f32 between two."""
    rng = np.random.default_rng(low)
    bits = rng.integers(low, high, COUNT) << 23 | rng.integers(0, 1 << 23, COUNT) | rng.integers(0, 2, COUNT) << 31
    return bits.astype(np.uint32).view(np.float32)


def in_registers(values: Array, target: Any) -> list[Array]:
    """The parts that a kernel makes of them."""

    def emit(context: KernelContext) -> ir.Function:
        k = KernelBuilder(context, "split", 2)
        with k.loop(0, COUNT, 32) as loop:
            value = k.load(k.address(k.slots[0], loop.index, F32), ir.VectorType(F32, 32), 4)
            for part, words in enumerate(split(k, value)):
                at = k.ir.add(loop.index, k.i64(part * COUNT))
                k.ir.store(words, k.address(k.slots[1], at, ir.IntType(16)), align=2)
        return k.finish()

    found = aligned(len(PARTS) * COUNT * 2)
    Compiled(emit, target)([values, found])
    return list(found.view(ml_dtypes.bfloat16).reshape(len(PARTS), COUNT).astype(np.float64))


@pytest.mark.parametrize("target", on_machines((*TARGETS, parse_target("cpu:x86-64-v4+bf16"))))
@pytest.mark.parametrize(("low", "high"), [(120, 134), (40, 60), (200, 254)])
def test_parts_are_the_number_itself_and_each_is_small_beside_the_one_before(low: int, high: int, target: Any) -> None:
    values = numbers(low, high)
    hi, mid, lo = in_registers(values, target)
    assert np.array_equal(hi + mid + lo, values.astype(np.float64))
    assert np.array_equal(hi, values.astype(ml_dtypes.bfloat16).astype(np.float64))
    assert (np.abs(mid) <= 2.0**-8 * np.abs(hi)).all() and (np.abs(lo) <= 2.0**-8 * np.abs(mid) + (mid == 0)).all()


@pytest.mark.parametrize(("low", "high"), [(120, 134), (40, 60), (200, 254), (254, 255)])
def test_parts_of_constants_are_the_number_itself(low: int, high: int) -> None:
    values = numbers(low, high)
    parts = [p.astype(np.float64) for p in split_constants(values)]
    assert np.array_equal(sum(parts), values.astype(np.float64))


def test_constants_that_are_no_numbers_are_one_part() -> None:
    values = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], np.float32)
    hi, mid, lo = (p.astype(np.float32) for p in split_constants(values))
    assert np.array_equal(hi, values, equal_nan=True) and not mid.any() and not lo.any()


@pytest.mark.parametrize(("rows", "columns", "loads"), [(2, 2, 14), (1, 3, 3 + 4 * 3), (3, 1, 3 * 3 + 4), (1, 1, 7)])
def test_terms_that_follow_each_other_share_tiles(rows: int, columns: int, loads: int) -> None:
    target = parse_target("cpu:x86-64-v4+amx")
    module = ir.Module()
    k = KernelBuilder(KernelContext(module, target, {}), "step", 3)
    code = multiplier(k, Matrix(DType.BF16, DType.BF16, rows, columns, k.i64(16), 64))
    code.begin(k.scratch)
    places = [Rows(k.address(k.slots[0], n * 1024, ir.IntType(8)), k.i64(64)) for n in range(rows)]
    code.step_of_parts([places] * len(PARTS), [k.slots[1]] * len(PARTS), Rows(k.slots[2], k.i64(64)))
    code.end()
    kernel = k.finish()
    kernel.linkage = ""
    words = [line.split()[0] for line in assembly(module, target).splitlines() if line.startswith("\t")]
    assert words.count("tdpbf16ps") == len(TERMS) * rows * columns and words.count("tileloadd") == loads
