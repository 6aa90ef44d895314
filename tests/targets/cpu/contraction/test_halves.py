"""When seven products of halves pay, and the memory that they need."""

from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.target import parse_target
from burnish.targets.cpu.contraction import halves
from burnish.targets.cpu.contraction import template as contraction
from burnish.targets.cpu.contraction.halves import Halves
from tests.targets.cpu.contractions import matmul

V4 = parse_target("cpu:x86-64-v4")


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "IS_OFFERED", True)


@pytest.mark.parametrize("target", ["cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4+vnni"])
def test_builds_never_halve_products_by_themselves(target: str) -> None:
    """A row's error and its NaN would come from the row beside it, which may be another request of a batch."""
    kernel = matmul(1024, 768, 768).kernel
    assert "strassen" not in {s["form"] for s in contraction.schedules(kernel, parse_target(target))}


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize("shape", [(1024, 3072, 768), (1024, 768, 768), (1024, 768, 3072), (1576, 768, 768)])
def test_large_products_are_halved_where_that_is_offered(shape: tuple[int, int, int]) -> None:
    best = contraction.schedules(matmul(*shape).kernel, V4)[0]
    assert best["form"] == "strassen"
    assert contraction.scratch_bytes(matmul(*shape).kernel, best) < 14 << 20


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize("shape", [(128, 3072, 768), (256, 768, 768), (6272, 384, 96), (1024, 64, 768)])
def test_products_whose_sums_of_sides_would_cost_more_are_not(shape: tuple[int, int, int]) -> None:
    assert contraction.schedules(matmul(*shape).kernel, V4)[0]["form"] == "tile"


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize("dtype", [DType.F64, DType.F16, DType.BF16, DType.I8])
def test_other_dtypes_are_not(dtype: DType) -> None:
    case = matmul(1024, 1024, 1024, dtype=dtype)
    assert "strassen" not in {s["form"] for s in contraction.schedules(case.kernel, V4)}


def test_a_block_of_k_is_as_long_as_right_sides_in_the_second_cache_level_allow() -> None:
    assert [(h.block, h.blocks) for h in (Halves(64, 64, k, 32, 14) for k in (768, 3072, 1600, 96))] == [
        (384, 1),
        (384, 4),
        (160, 5),
        (48, 1),
    ]
