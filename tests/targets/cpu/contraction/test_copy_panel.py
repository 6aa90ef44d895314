"""copy_panel.py: a computed B is multiplied in words of four bytes, however it lies. Oracle: exact integer products."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction
from burnish.target import Target
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contractions import Case, check, matmul
from tests.targets.cpu.run_kernel import TARGETS, on_machines
from tests.targets.cpu.tile_cases import in_tiles

QUADS = {
    "form": "quads", "rows": 3, "vectors": 2, "lanes": 16, "unroll": 8, "axis": 0, "fold": False, "block": 0,
    "prefetch": 0, "spread": 0, "serial": False,
}  # fmt: skip
VNNI = tuple(dataclasses.replace(t, extensions=("vnni",)) for t in TARGETS if t.level == "x86-64-v4")
LEVELS = on_machines((*TARGETS[1:], *VNNI))
LAYOUTS, BYTES = ("rows", "columns", "loose"), (DType.U8, DType.I8)
SIZES = [(5, 40, 64, 2), (17, 33, 71, 1), (3, 16, 3, 2), (2, 1, 7, 1), (1, 50, 18, 3), (9, 8, 2, 1)]


def case_of(sizes: tuple[int, int, int, int], a: DType, b: DType, layout: str, **options: object) -> Case:
    m, n, k, batch = sizes
    return matmul(m, n, k, batch=batch, dtype=a, b_dtype=b, b_layout=layout, shared_b=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", BYTES)
def test_a_computed_matrix_is_multiplied_by_quads(target: Target, layout: str, dtype: DType) -> None:
    for number, sizes in enumerate(SIZES):
        case = case_of(sizes, dtype, DType.I8, layout, epilogue="residual")
        lanes = min(16 if number % 2 else 8, target.vector_bytes // 4)
        options = QUADS | {"lanes": lanes, "vectors": 1 + number % 3, "unroll": (4, 8)[number % 2]}
        check(case, Schedule.of("contraction", **options), target, (1, 3))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", BYTES)
@pytest.mark.parametrize("b_dtype", BYTES)
def test_a_computed_matrix_is_multiplied_by_tiles(layout: str, dtype: DType, b_dtype: DType) -> None:
    for number, sizes in enumerate(SIZES):
        case = case_of(sizes, dtype, b_dtype, layout, epilogue="bias")
        schedule = in_tiles(case, (16, 32)[number % 2], 1 + number % 2)
        check(case, schedule, LEVELS[-1].values[0], (1, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_and_rows_may_be_of_any_number(layout: str) -> None:
    for n in (1, 16, 37):
        case = case_of((6, n, 21, 2), DType.I8, DType.I8, layout, symbols=["m", "n"])
        check(case, Schedule.of("contraction", **QUADS), LEVELS[-1].values[0], (1, 2))  # type: ignore[arg-type]
        check(case, in_tiles(case), LEVELS[-1].values[0], (1, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["quads", "tiles"])
def test_the_summed_axis_may_lie_in_several_runs(form: str) -> None:
    """As of a convolution whose weights are computed: [o, r, s * c], A an image."""
    one = case_of((4, 24, 30, 1), DType.U8, DType.I8, "columns")
    taps, channels = (dataclasses.replace(one.kernel.reduce[0], name=x, extent=e) for x, e in (("r", 3), ("s", 10)))
    (g, *a), (*_, n) = one.kernel.a_strides, one.kernel.b_strides
    b_row = dict(one.kernel.b_strides)[one.kernel.reduce[0]]
    kernel: Contraction = dataclasses.replace(
        one.kernel,
        reduce=(taps, channels),
        a_strides=(g, a[0], (taps, 7), (channels, 1)),
        b_strides=((taps, 12 * b_row), (channels, b_row), n),
    )
    random = np.random.default_rng(1)
    a_flat, b_flat = random.integers(0, 256, 200).astype(np.uint8), random.integers(-128, 128, 2000).astype(np.int8)
    row, column = a[0][1], n[1]
    left = np.array([[a_flat[p * row + r * 7 + s] for r in range(3) for s in range(10)] for p in range(4)])
    right = np.array([[b_flat[q * column + 12 * r + s] for r in range(3) for s in range(10)] for q in range(24)])
    expected = (left.astype(np.int64) @ right.astype(np.int64).T)[None]
    case = dataclasses.replace(one, kernel=kernel, a=a_flat, b=b_flat, expected=expected)
    schedule = in_tiles(case) if form == "tiles" else Schedule.of("contraction", **QUADS)
    check(case, schedule, LEVELS[-1].values[0], (1, 2))  # type: ignore[arg-type]


def test_products_of_computed_bytes_are_offered_in_words() -> None:
    target = Target("cpu", "x86-64-v4", ("amx", "vnni"))
    case = case_of((128, 128, 64, 12), DType.U8, DType.I8, "columns")
    assert contraction.schedules(case.kernel, target)[0]["form"] == "tiles"
    assert contraction.schedules(case.kernel, VNNI[0])[0]["form"] == "quads"
    open_depth = case_of((8, 64, 64, 1), DType.U8, DType.I8, "columns", symbols=["k"])
    assert {s["form"] for s in contraction.schedules(open_depth.kernel, target)} <= {"tile", "dot"}
