"""matrix.py: one step by emulated tiles against the arithmetic of the instructions, special values included."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from llvmlite import ir

from burnish.dtypes import DType
from burnish.target import parse_target
from burnish.targets.cpu.builder import KernelBuilder, KernelContext
from burnish.targets.cpu.codegen import assembly
from burnish.targets.cpu.register_tile.matrix import Matrix, Rows, TileRegisters, VectorSteps, multiplier
from tests.targets.cpu.run_kernel import TARGETS, Compiled, aligned, on_machines

Array = np.ndarray[Any, Any]
TILES = parse_target("cpu:x86-64-v4+amx")
LEVELS = on_machines(TARGETS[1:])
DTYPES = {DType.BF16: (ml_dtypes.bfloat16, 2), DType.U8: (np.uint8, 4), DType.I8: (np.int8, 4)}


def one_step(a: DType, b: DType, rows: int, columns: int, height: int, depth_bytes: int) -> Any:
    """A kernel that adds one step: slots A [rows][height][64 bytes], B as packed, sums."""

    def emit(context: KernelContext) -> ir.Function:
        k = KernelBuilder(context, "step", 3)
        code = multiplier(k, Matrix(a, b, rows, columns, k.i64(height), depth_bytes))
        code.begin(k.scratch)
        sums = Rows(k.slots[2], k.i64(columns * 64))
        code.clear(sums)
        places = [k.address(k.slots[0], r * height * 64, ir.IntType(8)) for r in range(rows)]
        code.step([Rows(p, k.i64(64)) for p in places], k.slots[1], sums)
        code.keep(sums)
        code.end()
        return k.finish()

    return emit


def run(target: Any, a: Array, b: Array, columns: int) -> Array:
    """a [rows, height, 64 bytes], b [columns, words, 16, of a word] -> sums [rows, columns, height, 16]"""
    (rows, height), dtypes = a.shape[:2], {np.dtype(t): d for d, (t, _) in DTYPES.items()}
    emit = one_step(dtypes[a.dtype], dtypes[b.dtype], rows, columns, height, b.shape[1] * 4)
    sums = aligned(rows * columns * 1024)
    Compiled(emit, target)([a, b, sums])
    kind = np.float32 if a.dtype == ml_dtypes.bfloat16 else np.int32
    return sums.view(kind).reshape(rows, 16, columns, 16).transpose(0, 2, 1, 3)[:, :, :height]


def expected(a: Array, b: Array) -> Array:
    """Even and odd products summed in order, each from zero; every operation rounds to f32."""
    x, w = (v.astype(np.float32).astype(np.float64) for v in (a, b))
    chains = [np.zeros((len(a), len(b), a.shape[1], 16), np.float32) for _ in range(2)]
    for word in range(b.shape[1]):
        for h in (0, 1):
            factor, column = x[:, None, :, 2 * word + h, None], w[None, :, word, None, :, h]
            chains[h] = (factor * column + chains[h].astype(np.float64)).astype(np.float32)
    return np.float32(0) + (chains[0] + chains[1])


def same(x: Array, y: Array) -> bool:
    """Equal bits, but for the payload of NaN."""
    nan = np.isnan(y)
    return bool((np.isnan(x) == nan).all() and (x.view(np.uint32)[~nan] == y.view(np.uint32)[~nan]).all())


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize(("low", "high"), [(120, 134), (90, 160), (180, 200), (240, 256)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_step_of_bf16_has_the_instructions_bits(target: Any, low: int, high: int) -> None:
    rng = np.random.default_rng(low)

    def random(*shape: int) -> Array:
        bits = rng.integers(low, high, shape) << 7 | rng.integers(0, 128, shape) | rng.integers(0, 2, shape) << 15
        return bits.astype(np.uint16).view(ml_dtypes.bfloat16)

    a, b = random(2, 13, 32), random(2, 16, 16, 2)
    assert same(run(target, a, b, 2), expected(a, b))
    assert same(run(target, a, b[:1, :3].copy(), 1), expected(a, b[:1, :3]))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize(
    ("left", "right"), [(np.uint8, np.int8), (np.int8, np.int8), (np.int8, np.uint8), (np.uint8,) * 2]
)
def test_a_step_of_bytes_is_exact(target: Any, left: Any, right: Any) -> None:
    rng = np.random.default_rng(3)
    a, b = (
        rng.integers(np.iinfo(t).min, np.iinfo(t).max + 1, shape).astype(t)
        for t, shape in ((left, (2, 16, 64)), (right, (2, 16, 16, 4)))
    )
    exact = a.astype(np.int64)[:, None] @ b.transpose(0, 1, 3, 2).reshape(2, 64, 16).astype(np.int64)
    assert np.array_equal(run(target, a, b, 2), exact)


def test_tiles_are_instructions_where_the_target_has_them() -> None:
    for checked, kind in ((False, TileRegisters), (True, VectorSteps)):
        target = parse_target("cpu:x86-64-v4+amx" + "+checked" * checked)
        k = KernelBuilder(KernelContext(ir.Module(), target, {}), "kernel", 0)
        assert isinstance(multiplier(k, Matrix(DType.BF16, DType.BF16, 1, 1, k.i64(16), 64)), kind)


@pytest.mark.parametrize(("rows", "columns", "loads"), [(2, 2, 4), (4, 1, 5), (1, 4, 5), (1, 1, 2)])
def test_a_step_loads_each_tile_once(rows: int, columns: int, loads: int) -> None:
    module = ir.Module()
    kernel = one_step(DType.BF16, DType.BF16, rows, columns, 16, 64)(KernelContext(module, TILES, {}))
    kernel.linkage = ""
    words = [line.split()[0] for line in assembly(module, TILES).splitlines() if line.startswith("\t")]
    assert words.count("tileloadd") == loads and words.count("tdpbf16ps") == words.count("tilestored") == rows * columns
    assert words.count("ldtilecfg") == words.count("tilerelease") == 1


@pytest.mark.parametrize(
    ("a", "b", "name"),
    [
        (DType.U8, DType.I8, "tdpbusd"),
        (DType.I8, DType.I8, "tdpbssd"),
        (DType.I8, DType.U8, "tdpbsud"),
        (DType.U8, DType.U8, "tdpbuud"),
    ],
)
def test_the_product_of_bytes_is_that_of_their_signs(a: DType, b: DType, name: str) -> None:
    module = ir.Module()
    kernel = one_step(a, b, 2, 2, 16, 64)(KernelContext(module, TILES, {}))
    kernel.linkage = ""
    assert f"\t{name}\t" in assembly(module, TILES)
