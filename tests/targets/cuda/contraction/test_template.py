"""Every form of contraction kernel in Triton's interpreter, against float64 numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.target import Target, parse_target
from burnish.targets.cuda.contraction import split_sum as contraction_split
from burnish.targets.cuda.contraction import template as contraction
from burnish.targets.cuda.contraction.tile import Tile
from tests.targets.cuda.contraction_tasks import (
    added,
    aligned,
    arrays_for,
    beside,
    constant_of,
    convolution,
    expected,
    matmul,
)
from tests.targets.cuda.interpret import interpret

H200 = parse_target("cuda:sm_90a")
BATCH = symbol("batch")
SIZES = {"batch": 3}
# stored values are rounded once
STEPS = {DType.F16: 2.0**-10, DType.BF16: 2.0**-7, DType.F32: 2.0**-20, DType.F64: 2.0**-45}


@pytest.fixture(autouse=True)
def few_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run one after the other here: whoever waits for the others gives up, and should do so soon."""
    monkeypatch.setattr(contraction_split, "POLLS", 4)


def check(kernel: Contraction, tile: Tile, target: Target = H200, sizes: Mapping[str, int] = SIZES) -> None:
    """The kernel's result under a tile is right, and nothing else is written."""
    schedule = tile.schedule
    assert contraction.legal(kernel, schedule, target)
    source = contraction.emit(kernel, schedule, target)
    arrays = arrays_for(kernel, sizes)
    want = expected(kernel, arrays, sizes)
    given = dict(enumerate(arrays))
    for number, term in enumerate(kernel.terms):
        if term.packed:
            constant = constant_of(kernel, arrays[term.b], sizes, number)
            given[term.b] = aligned(contraction.pack(kernel, schedule, term.b, constant))
    interpret(source, given, sizes, written={s.slot for s in kernel.stores})
    for slot, reference in want.items():
        dtype = kernel.slots[slot].dtype
        if not dtype.is_float:
            np.testing.assert_array_equal(given[slot], reference.astype(dtype.numpy))
            continue
        got = given[slot].astype(np.float64)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(reference))
        error = np.nanmax(np.abs(got - reference) / np.maximum(np.abs(reference), 1), initial=0)
        assert error <= STEPS[dtype]


EPILOGUE = {"bias": True, "residual": True, "activation": True}

PRODUCTS = {
    "tails everywhere": (matmul(21, 19, 37, **EPILOGUE), Tile("load", 16, 16, 32)),
    "aligned": (matmul(32, 32, 64), Tile("load", 16, 32, 32)),
    "one pixel": (matmul(1, 24, 40, **EPILOGUE), Tile("load", 16, 16, 16, swap=True)),
    "one column": (matmul(20, 1, 40, bias=True), Tile("load", 16, 16, 16)),
    "one of each": (matmul(1, 1, 1, bias=True), Tile("load", 16, 16, 16)),
    "A transposed": (matmul(20, 24, 40, transpose_a=True), Tile("load", 16, 16, 16)),
    "B not a constant": (matmul(20, 24, 37, batch=(3, 2), packed=False), Tile("load", 16, 16, 16)),
    "B transposed": (matmul(20, 24, 37, batch=(2,), packed=False, transpose_b=True), Tile("load", 16, 16, 16)),
    "B repeated": (matmul(20, 24, 40, batch=(3, 2), b_batch=(1, 2), packed=False), Tile("load", 16, 16, 16)),
    "B a batch of constants": (matmul(20, 24, 40, batch=(3,), **EPILOGUE), Tile("load", 16, 16, 16)),
    "parts": (matmul(20, 40, 72, **EPILOGUE), Tile("load", 16, 32, 16, split=3)),
    "shared parts": (matmul(20, 40, 72, **EPILOGUE), Tile("load", 16, 32, 16, split=4, shared=True)),
    "a band": (matmul(80, 40, 16), Tile("load", 16, 16, 16, band=3)),
    "rows of any number": (matmul(BATCH * 7, 24, 40, **EPILOGUE), Tile("load", 16, 16, 16)),
    "everything of any number": (matmul(BATCH, BATCH, BATCH, batch=(2,), packed=False), Tile("load", 16, 16, 16)),
    "a residual asked for early": (matmul(21, 24, 37, **EPILOGUE), Tile("load", 16, 16, 32, early=True)),
    "two stores": (matmul(20, 24, 40, twice=True, **EPILOGUE), Tile("load", 16, 16, 16)),
    "copy: a program waits": (matmul(40, 24, 40, **EPILOGUE), Tile("copy", 16, 16, 16, stagger=500)),
    "copy: tails": (matmul(21, 24, 40, **EPILOGUE), Tile("copy", 16, 16, 16)),
    "copy: swapped": (matmul(20, 40, 24, **EPILOGUE), Tile("copy", 16, 32, 16, swap=True)),
    "copy: one pixel": (matmul(1, 24, 40, **EPILOGUE), Tile("copy", 16, 16, 16, swap=True)),
    "copy: odd columns": (matmul(20, 19, 40, **EPILOGUE), Tile("copy", 16, 16, 16)),
    "copy: B not a constant": (matmul(20, 24, 40, batch=(3, 2), packed=False), Tile("copy", 16, 16, 16, swap=True)),
    "copy: B transposed": (
        matmul(20, 24, 40, batch=(3,), packed=False, transpose_b=True),
        Tile("copy", 16, 16, 16),
    ),
    "copy: B repeated": (
        matmul(24, 24, 40, batch=(3, 2), b_batch=(1, 2), packed=False),
        Tile("copy", 16, 16, 16, box=(1, 16)),
    ),
    "copy: B a batch of constants": (matmul(20, 24, 40, batch=(3,)), Tile("copy", 16, 16, 16)),
    "copy: parts": (matmul(20, 40, 72, **EPILOGUE), Tile("copy", 16, 32, 16, swap=True, split=3)),
    "copy: shared parts": (
        matmul(20, 40, 72, **EPILOGUE),
        Tile("copy", 16, 32, 16, swap=True, split=2, shared=True),
    ),
    "copy: more parts than steps": (matmul(20, 24, 40), Tile("copy", 16, 32, 16, split=4)),
    "copy: persistent": (matmul(2200, 24, 16), Tile("copy", 16, 32, 16, persistent=1)),
    "copy: rows of any number": (matmul(BATCH, 24, 40, **EPILOGUE), Tile("copy", 16, 16, 16, split=2)),
    "copy: a residual asked for early": (
        matmul(21, 24, 40, batch=(3,), **EPILOGUE),
        Tile("copy", 16, 16, 16, early=True),
    ),
    "copy: two stores": (matmul(20, 24, 40, twice=True, **EPILOGUE), Tile("copy", 16, 16, 16)),
}

CONVOLUTIONS = {
    "3x3": (convolution(2, 16, (5, 6), 20, (3, 3), pads=(1, 1), **EPILOGUE), Tile("load", 16, 32, 16)),
    "3x3, stride 2": (convolution(1, 16, (9, 8), 20, (3, 3), stride=2, pads=(1, 1)), Tile("load", 16, 32, 16)),
    "dilated": (convolution(1, 16, (9, 8), 20, (3, 3), dilation=2, pads=(2, 1)), Tile("load", 16, 32, 16)),
    "channels that leave a rest": (convolution(1, 20, (5, 6), 20, (3, 3), pads=(1, 1)), Tile("load", 16, 32, 16)),
    "7x7, 3 channels": (
        convolution(1, 3, (12, 11), 20, (7, 7), stride=2, pads=(3, 3), **EPILOGUE),
        Tile("load", 16, 32, 32, flat=True),
    ),
    "5x5, one channel": (
        convolution(2, 1, (8, 9), 20, (5, 5), pads=(2, 2), **EPILOGUE),
        Tile("load", 16, 32, 32, flat=True),
    ),
    "5x5, one channel in chunks": (convolution(1, 1, (8, 9), 20, (5, 5), pads=(2, 2)), Tile("load", 16, 32, 16)),
    "padded along one axis, one channel": (
        convolution(1, 1, (8, 9), 20, (3, 3), pads=(1, 0)),
        Tile("load", 16, 32, 16, flat=True),
    ),
    "3x3, 3 channels in chunks": (convolution(1, 3, (7, 8), 20, (3, 3), pads=(1, 1)), Tile("load", 16, 32, 16)),
    "groups of few channels": (
        convolution(2, 5, (6, 5), 7, (3, 3), pads=(1, 1), groups=3),
        Tile("load", 16, 16, 16, flat=True),
    ),
    "images of any size": (
        convolution(BATCH, 16, (BATCH + 3, BATCH + 4), 20, (3, 3), stride=2, pads=(1, 1), **EPILOGUE),
        Tile("load", 16, 32, 16),
    ),
    "copy: 3x3": (
        convolution(2, 16, (5, 6), 24, (3, 3), pads=(1, 1), **EPILOGUE),
        Tile("copy", 16, 32, 16, box=(1, 4, 4), swap=True),
    ),
    "copy: 3x3, a residual asked for early": (
        convolution(BATCH, 16, (5, 6), 24, (3, 3), pads=(1, 1), **EPILOGUE),
        Tile("copy", 16, 32, 16, box=(1, 4, 4), swap=True, early=True),
    ),
    "copy: 3x3, stride 2": (
        convolution(3, 16, (9, 8), 24, (3, 3), stride=2, pads=(1, 1)),
        Tile("copy", 16, 32, 16, box=(2, 2, 4), swap=True),
    ),
    "copy: 3x3, stride 2, no padding": (
        convolution(2, 16, (9, 8), 24, (3, 3), stride=2),
        Tile("copy", 16, 32, 16, box=(1, 4, 4), swap=True),
    ),
    "copy: 1x1, stride 2": (
        convolution(2, 16, (9, 8), 24, (1, 1), stride=2),
        Tile("copy", 16, 32, 16, box=(2, 2, 4), swap=True),
    ),
    "copy: 1x1": (convolution(2, 16, (5, 6), 24, (1, 1), **EPILOGUE), Tile("copy", 16, 32, 16, swap=True)),
    "copy: dilated, not swapped": (
        convolution(1, 16, (9, 8), 24, (3, 3), dilation=2, pads=(2, 1)),
        Tile("copy", 16, 32, 16, box=(4, 4)),
    ),
    "copy: few columns, not swapped, four programs a processor": (
        convolution(3, 16, (9, 8), 19, (2, 2), **(EPILOGUE | {"residual": False})),
        Tile("copy", 16, 16, 32, box=(1, 4, 4), stages=2, persistent=4),
    ),
    "copy: channels that leave a rest": (
        convolution(1, 24, (5, 6), 24, (3, 3), pads=(1, 1)),
        Tile("copy", 16, 32, 16, box=(4, 4), swap=True),
    ),
    "copy: groups": (
        convolution(1, 16, (5, 6), 24, (3, 3), pads=(1, 1), groups=2),
        Tile("copy", 16, 32, 16, box=(2, 8), swap=True),
    ),
    "one channel, whose rows have ends": (
        convolution(1, 1, (9, 8), 8, (5, 5), pads=(2, 2), bias=True),
        Tile("load", 32, 16, 32, flat=True),
    ),
    "one channel, tap by tap": (
        convolution(1, 1, (9, 8), 8, (5, 5), pads=(2, 2), bias=True),
        Tile("load", 32, 16, 16),
    ),
    "copy: one dimension": (
        convolution(2, 16, (20,), 24, (3,), pads=(1,), **EPILOGUE),
        Tile("copy", 16, 32, 16, box=(1, 16), swap=True),
    ),
    "copy: three dimensions": (
        convolution(2, 16, (3, 4, 4), 24, (3, 3, 3), pads=(1, 1, 1)),
        Tile("copy", 16, 32, 16, box=(1, 2, 2, 4), swap=True),
    ),
    "copy: images of any number, parts": (
        convolution(BATCH, 16, (7, 7), 24, (3, 3), pads=(1, 1), **EPILOGUE),
        Tile("copy", 16, 32, 16, box=(2, 2, 4), swap=True, split=2),
    ),
    "copy: images of any number, shared parts": (
        convolution(BATCH, 16, (7, 7), 24, (3, 3), pads=(1, 1), **EPILOGUE),
        Tile("copy", 16, 32, 16, box=(2, 2, 4), swap=True, split=8, shared=True),
    ),
    "copy: images of any size": (
        convolution(BATCH, 16, (BATCH + 3, BATCH + 4), 24, (3, 3), stride=2, pads=(1, 1), **EPILOGUE),
        Tile("copy", 16, 32, 16, box=(2, 2, 4), swap=True),
    ),
}

DTYPES = {
    "bf16": (matmul(20, 24, 40, DType.BF16, **EPILOGUE), Tile("load", 16, 16, 16)),
    "bf16, copy": (matmul(20, 24, 40, DType.BF16, **EPILOGUE), Tile("copy", 16, 16, 16)),
    "f32": (matmul(20, 24, 40, DType.F32, **EPILOGUE), Tile("load", 16, 16, 16, precision="tf32x3")),
    "f64": (matmul(20, 24, 40, DType.F64, **EPILOGUE), Tile("load", 16, 16, 16)),
    "f64, parts": (matmul(20, 24, 40, DType.F64), Tile("load", 16, 16, 16, split=2)),
    "i8": (matmul(20, 24, 40, DType.I8, **EPILOGUE), Tile("load", 16, 16, 32)),
    "i8, copy": (matmul(20, 32, 48, DType.I8, bias=True), Tile("copy", 16, 16, 32)),
    "u8 by u8": (matmul(20, 24, 40, DType.U8, b_dtype=DType.U8), Tile("load", 16, 16, 32)),
    "i8 by u8, swapped": (matmul(20, 40, 70, DType.I8, b_dtype=DType.U8), Tile("load", 16, 32, 32, swap=True)),
    "u8 by i8, parts": (
        matmul(20, 40, 300, DType.U8, b_dtype=DType.I8, **EPILOGUE),
        Tile("load", 16, 32, 32, split=4, shared=True),
    ),
    "u8 by i8, copy": (
        matmul(20, 32, 48, DType.U8, b_dtype=DType.I8, out_dtype=DType.U8, residual=True),
        Tile("copy", 16, 16, 32, swap=True),
    ),
    "u8 by i8, copy, a residual asked for early": (
        matmul(20, 32, 48, DType.U8, b_dtype=DType.I8, out_dtype=DType.U8, residual=True),
        Tile("copy", 16, 16, 32, early=True),
    ),
    "u8 by i8, B not a constant": (
        matmul(20, 32, 48, DType.U8, b_dtype=DType.I8, batch=(2,), packed=False, transpose_b=True),
        Tile("copy", 16, 16, 32),
    ),
    "integers of nine bits": (matmul(20, 24, 300, DType.I16, b_dtype=DType.I16), Tile("load", 16, 16, 128)),
    "u8 by nine bits": (matmul(20, 24, 40, DType.U8, b_dtype=DType.I16, bias=True), Tile("load", 16, 16, 16)),
    "u8, 3x3, 3 channels": (
        convolution(1, 3, (7, 8), 20, (3, 3), DType.U8, pads=(1, 1)),
        Tile("load", 16, 32, 32, flat=True),
    ),
    "u8, copy: 3x3": (
        convolution(2, 16, (5, 6), 32, (3, 3), DType.U8, pads=(1, 1), out_dtype=DType.U8),
        Tile("copy", 16, 32, 32, box=(1, 4, 4), swap=True),
    ),
    "u8 by i8": (matmul(20, 24, 40, DType.U8, b_dtype=DType.I8, bias=True), Tile("load", 16, 16, 32)),
    "i64": (matmul(20, 24, 40, DType.I64, bias=True), Tile("load", 16, 16, 16)),
    "f8e4m3": (matmul(20, 24, 40, DType.F8E4M3, **EPILOGUE, out_dtype=DType.F32), Tile("load", 16, 16, 32)),
    "f8e4m3, copy": (
        matmul(20, 32, 48, DType.F8E4M3, bias=True, out_dtype=DType.F16),
        Tile("copy", 16, 16, 32, swap=True, registers=96),
    ),
    "f16 into f32": (matmul(20, 24, 40, bias=True, out_dtype=DType.F32), Tile("copy", 16, 16, 16)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product(name: str):
    check(*PRODUCTS[name])


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution(name: str):
    check(*CONVOLUTIONS[name])


@pytest.mark.parametrize("name", DTYPES)
def test_a_dtype(name: str):
    check(*DTYPES[name])


@pytest.mark.parametrize("name", ["tails everywhere", "parts", "B transposed"])
def test_an_older_chip(name: str):
    check(*PRODUCTS[name], target=parse_target("cuda:sm_80"))


@pytest.mark.parametrize("name", ["i8", "u8 by i8", "u8 by u8", "u8, 3x3, 3 channels"])
def test_bytes_without_tensor_cores_are_multiplied_exactly(name: str):
    kernel, tile = DTYPES[name]
    check(kernel, tile, parse_target("cuda:sm_75"))


BYTES = convolution(2, 24, (5, 4), 32, (1, 1), DType.U8, bias=True, out_dtype=DType.I32)
BYTES_HALVED = convolution(2, 48, (9, 8), 32, (1, 1), DType.U8, stride=2)
TWO_SUMS = {
    "u8": (beside(BYTES, BYTES_HALVED), Tile("load", 16, 32, 32)),
    "u8, apart": (beside(BYTES, BYTES_HALVED), Tile("load", 16, 32, 32, apart=True)),
    "u8, copy": (
        beside(convolution(2, 32, (5, 4), 32, (1, 1), DType.U8, residual=True, out_dtype=DType.U8), BYTES_HALVED),
        Tile("copy", 16, 32, 32, box=(1, 4, 4), swap=True),
    ),
    "f16": (beside(matmul(21, 19, 37, **EPILOGUE), matmul(21, 19, 50)), Tile("load", 16, 16, 32)),
}


@pytest.mark.parametrize("name", TWO_SUMS)
def test_two_products_with_a_sum_each(name: str):
    kernel, tile = TWO_SUMS[name]
    assert not contraction.legal(kernel, Tile("load", 16, 16, 32, split=2).schedule, H200)
    check(kernel, tile)


def test_the_first_schedules_of_a_kernel_are_right():
    kernel = convolution(2, 16, (5, 6), 24, (3, 3), pads=(1, 1), **EPILOGUE)
    for text in ("sm_75", "sm_90a"):
        target = parse_target(f"cuda:{text}")
        for schedule in contraction.schedules(kernel, target, {})[:3]:
            check(kernel, contraction.Tile.read(schedule), target)


def test_equal_arguments_give_equal_text():
    kernel, tile = CONVOLUTIONS["copy: images of any number, parts"]
    assert contraction.emit(kernel, tile.schedule, H200) == contraction.emit(kernel, tile.schedule, H200)


POINTS = convolution(2, 24, (5, 4), 20, (1, 1), **EPILOGUE)
HALVED = convolution(2, 48, (9, 8), 20, (1, 1), stride=2)
AROUND = convolution(2, 16, (5, 4), 20, (3, 3), pads=(1, 1), **EPILOGUE)
WIDE = convolution(2, 24, (5, 4), 24, (1, 1), **EPILOGUE)
WIDE_HALVED = convolution(2, 40, (9, 8), 24, (1, 1), stride=2)
ODD = convolution(2, 19, (5, 4), 20, (1, 1))

SUMS = {
    "1x1 and a down-sample": (added(POINTS, HALVED), Tile("load", 16, 32, 16)),
    "3x3 and 1x1": (added(AROUND, POINTS), Tile("load", 16, 32, 16)),
    "odd channels": (added(AROUND, ODD), Tile("load", 16, 16, 32)),
    "flat steps": (added(convolution(2, 3, (5, 4), 20, (3, 3), pads=(1, 1)), ODD), Tile("load", 16, 16, 32, flat=True)),
    "f32": (
        added(
            convolution(1, 16, (5, 5), 20, (1, 1), DType.F32, **EPILOGUE),
            convolution(1, 40, (9, 9), 20, (1, 1), DType.F32, stride=2),
        ),
        Tile("load", 16, 16, 16),
    ),
    "three": (added(POINTS, HALVED, ODD), Tile("load", 16, 16, 32)),
    "matrices": (added(matmul(21, 19, 37, **EPILOGUE), matmul(21, 19, 50)), Tile("load", 16, 16, 32)),
    "matrices, not constant": (
        added(matmul(21, 24, 37, batch=(2,), packed=False), matmul(21, 24, 16, batch=(2,), packed=False)),
        Tile("load", 16, 16, 16),
    ),
    "any number of rows": (added(matmul(BATCH * 7, 24, 40), matmul(BATCH * 7, 24, 16)), Tile("load", 16, 16, 16)),
    "parts": (added(AROUND, POINTS), Tile("load", 16, 32, 16, split=4)),
    "parts of rounds": (added(POINTS, HALVED), Tile("load", 16, 32, 16, split=2, shared=True)),
    "copy: 1x1 and a down-sample": (added(POINTS, HALVED), Tile("copy", 16, 32, 16, box=(1, 4, 4), swap=True)),
    "copy: 3x3 and 1x1": (added(AROUND, POINTS), Tile("copy", 16, 32, 16, box=(1, 4, 4), swap=True)),
    "copy: 3x3 and a down-sample, parts": (
        added(AROUND, HALVED),
        Tile("copy", 16, 32, 16, box=(1, 4, 4), swap=True, split=4, shared=True),
    ),
    "copy: a residual asked for early": (added(WIDE, WIDE_HALVED), Tile("copy", 16, 32, 16, box=(1, 4, 4), early=True)),
    "apart": (added(POINTS, HALVED), Tile("load", 16, 32, 16, split=2, apart=True)),
    "copy: apart": (added(POINTS, HALVED), Tile("copy", 16, 32, 16, box=(1, 4, 4), swap=True, apart=True)),
    "copy: flat pixels": (
        added(convolution(2, 24, (5, 4), 24, (1, 1)), convolution(2, 48, (5, 4), 24, (1, 1))),
        Tile("copy", 16, 16, 16, swap=True),
    ),
    "copy: persistent": (added(matmul(2200, 24, 16), matmul(2200, 24, 32)), Tile("copy", 16, 32, 16, persistent=1)),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_products_are_right(name: str) -> None:
    check(*SUMS[name])
