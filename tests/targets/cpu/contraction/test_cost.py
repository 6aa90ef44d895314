"""The cost model's choices: tiles that fill the registers, blocks that keep the right operand in cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import LEVELS, Target, parse_target
from burnish.targets.cpu.contraction import template as contraction
from burnish.targets.cpu.contraction.cost import registers, row_sizes
from burnish.targets.cpu.register_tile.rows import dynamic_sizes
from tests.targets.cpu.contractions import matmul

V4 = Target("cpu", "x86-64-v4")
WITH_BF16 = Target("cpu", "x86-64-v4", ("bf16",))
LAYERS = [  # of ResNet-50, MobileNetV2, ConvNeXt-Tiny, ViT-Base and BERT-Base: rows, columns, depth
    (3136, 64, 64), (3136, 256, 64), (784, 512, 128), (784, 128, 1152), (196, 1024, 256), (196, 256, 2304),
    (49, 2048, 512), (49, 512, 4608), (49, 320, 960), (197, 768, 768), (128, 3072, 768), (128, 768, 3072),
    (16, 768, 768),
]  # fmt: skip


def first(m: int, n: int, k: int, **options: Any) -> Schedule:
    return contraction.schedules(matmul(m, n, k, **options).kernel, V4)[0]


def test_large_products_get_a_full_register_tile() -> None:
    chosen = first(128, 768, 768)
    assert (chosen["form"], chosen["rows"], chosen["vectors"], chosen["lanes"]) == ("tile", 14, 2, 16)
    assert not chosen["serial"] and chosen["prefetch"] > 0


def test_a_single_row_streams_wide_panels() -> None:
    assert first(1, 3072, 768)["vectors"] >= 8


def test_few_columns_are_dot_products() -> None:
    assert first(200, 1, 512)["form"] == "dot"
    assert first(64, 2, 256)["form"] == "dot"


def test_transposed_operands_are_dot_products_and_plain_ones_are_not() -> None:
    assert first(64, 64, 256, b_layout="columns")["form"] == "dot"
    assert first(64, 64, 256, b_layout="rows")["form"] == "tile"


def test_columns_that_lie_apart_are_copied_where_several_row_tiles_read_them() -> None:
    """Scores of attention: 128 queries and keys of 64 elements."""
    assert first(128, 128, 64, b_layout="columns", batch=12, shared_b=False)["form"] == "copied"
    assert first(1, 128, 64, b_layout="columns", batch=12, shared_b=False)["form"] == "dot"


def test_small_constant_operands_stay_while_rows_stream() -> None:
    assert first(4000, 64, 64)["block"] == 1
    assert first(128, 3072, 768)["block"] == 0


def test_the_next_panel_is_asked_for_where_tiles_share_a_panel_of_a_large_constant() -> None:
    assert first(128, 3072, 768)["spread"] == 8
    assert first(49, 2048, 512)["spread"] == 4
    assert first(1, 3072, 768)["spread"] == 0, "no tile to share the panel with"
    assert first(4000, 64, 64)["spread"] == 0, "one panel after the other, for every tile again"
    assert first(128, 64, 64)["spread"] == 0, "small"
    assert first(128, 3072, 768, b_layout="rows")["spread"] == 0, "not packed"


@pytest.mark.parametrize("level", LEVELS)
def test_accumulators_fit_in_the_registers(level: str) -> None:
    target = Target("cpu", level)
    for m, n, k in ((128, 768, 768), (3, 100, 50), (1, 1000, 64), (49, 48, 512)):
        for schedule in contraction.schedules(matmul(m, n, k).kernel, target):
            assert schedule["rows"] * schedule["vectors"] < registers(target)


@pytest.mark.parametrize("extent", [1, 5, 13, 14, 15, 49, 128])
def test_static_rows_are_cut_evenly_and_completely(extent: int) -> None:
    sizes = row_sizes(extent, 14)
    assert sum(size * count for size, count in sizes) == extent
    assert max(s for s, _ in sizes) <= 14 and len({s for s, _ in sizes}) <= 2


def test_symbolic_rows_end_with_single_ones() -> None:
    assert dynamic_sizes(14) == (14, 4, 1) and dynamic_sizes(6) == (6, 1) and dynamic_sizes(1) == (1,)


def test_panels_hold_b_front_to_back_and_end_in_zeros() -> None:
    case = matmul(4, 5, 3)
    given = contraction.schedules(case.kernel, V4)[0]
    schedule, dots = (
        Schedule.of("contraction", **(dict(given.options) | {"form": form, "vectors": 1, "lanes": 4}))
        for form in ("tile", "dot")
    )
    b = np.arange(15, dtype=np.float32).reshape(3, 5)
    packed = contraction.pack(case.kernel, schedule, 1, b)
    assert packed.tolist() == [
        [[[0, 1, 2, 3], [5, 6, 7, 8], [10, 11, 12, 13]], [[4, 0, 0, 0], [9, 0, 0, 0], [14, 0, 0, 0]]]
    ]
    assert contraction.pack(case.kernel, dots, 1, b).tolist() == [b.T.tolist()]
    assert contraction.pack(case.kernel, schedule, 0, b) is b


def test_usual_sizes_choose_the_tile_where_extents_are_symbols() -> None:
    kernel = matmul(3, 768, 768, symbols=["m"]).kernel
    assert contraction.schedules(kernel, V4, {"m": 1})[0]["vectors"] >= 4
    assert contraction.schedules(kernel, V4, {"m": 128})[0]["rows"] == 14
    small = matmul(3, 16, 16, symbols=["m"]).kernel
    assert contraction.schedules(small, V4, {"m": 1})[0]["serial"] is True
    assert contraction.schedules(small, V4)[0]["serial"] is False


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("half", [DType.BF16, DType.F16])
@pytest.mark.parametrize("m, n, k", LAYERS)
def test_weights_of_16_bits_get_the_schedule_of_f32_where_rows_are_many(
    level: str, half: DType, m: int, n: int, k: int
) -> None:
    wide, narrow = matmul(m, n, k).kernel, matmul(m, n, k, dtype=DType.F32, b_dtype=half).kernel
    target = Target("cpu", level)
    assert contraction.schedules(narrow, target)[0] == contraction.schedules(wide, target)[0]


@pytest.mark.parametrize("level, most", [("x86-64-v3", 2), ("x86-64-v4", 6)])
@pytest.mark.parametrize("half", [DType.BF16, DType.F16])
@pytest.mark.parametrize("n, k", [(768, 768), (3072, 768), (768, 3072), (1000, 2048)])
def test_weights_of_16_bits_stay_narrow_where_few_rows_wait_for_memory(
    level: str, most: int, half: DType, n: int, k: int
) -> None:
    for m in (1, most):
        kernel = matmul(m, n, k, dtype=DType.F32, b_dtype=half).kernel
        assert contraction.schedules(kernel, Target("cpu", level))[0]["form"] == "narrow", m


@pytest.mark.parametrize("m, n, k", [(1, 768, 768), (12544, 16, 32), *LAYERS])
def test_bf16_by_bf16_takes_pairs_where_the_target_multiplies_them(m: int, n: int, k: int) -> None:
    kernel = matmul(m, n, k, dtype=DType.BF16).kernel
    assert contraction.schedules(kernel, WITH_BF16)[0]["form"] == "pairs"


@pytest.mark.parametrize(
    ("m", "n", "k", "block", "spread"),
    [
        (3136, 64, 64, 1, 0), (12544, 96, 16, 1, 0), (3136, 256, 64, 8, 0), (784, 512, 128, 6, 4),
        (196, 256, 1024, 4, 4), (196, 576, 96, 4, 4), (49, 2048, 512, 0, 2), (128, 768, 3072, 0, 4),
    ],
)  # fmt: skip
def test_tiles_take_rows_in_blocks_where_the_constant_is_the_smaller_side(
    m: int, n: int, k: int, block: int, spread: int
) -> None:
    with_tiles = parse_target("cpu:x86-64-v4+amx")
    chosen = contraction.schedules(matmul(m, n, k, dtype=DType.BF16).kernel, with_tiles)[0]
    assert (chosen["form"], chosen["block"], chosen["spread"]) == ("tiles", block, spread)


@pytest.mark.parametrize(
    ("m", "n", "k", "rows", "vectors"),
    [(3136, 256, 64, 16, 4), (196, 1024, 256, 16, 4), (196, 256, 1024, 28, 2), (3136, 32, 64, 32, 2)],
)
def test_bytes_of_a_shallow_depth_take_one_row_tile_and_four_columns(
    m: int, n: int, k: int, rows: int, vectors: int
) -> None:
    kernel = matmul(m, n, k, dtype=DType.U8, b_dtype=DType.I8).kernel
    chosen = contraction.schedules(kernel, parse_target("cpu:x86-64-v4+amx"))[0]
    assert (chosen["form"], chosen["rows"], chosen["vectors"]) == ("tiles", rows, vectors)
