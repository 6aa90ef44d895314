"""tile_products.py: attention of bf16 by products of tiles against float64, and against themselves with AMX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.devices.cpu.processor import supports
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import Target, parse_target
from burnish.targets.cpu.attention import template as attention
from burnish.targets.cpu.attention.options import AttentionOptions
from tests.targets.cpu.attention.test_template import BEST, LEVELS, Problem

WITH_TILES = parse_target("cpu:x86-64-v4+amx")
BF16 = DType.BF16
PROBLEMS = {
    "whole tiles": ((1, 2, 64, 64, 64, 64), {}),
    "rows and keys left over": ((2, 3, 49, 77, 32, 32), {}),
    "one tile of sixteen": ((1, 2, 16, 40, 64, 16), {"layout": "bhsd"}),
    "odd value size": ((1, 2, 35, 50, 32, 21), {}),
    "causal": ((1, 2, 70, 70, 32, 32), {"causal": True}),
    "fewer queries than keys, causal": ((1, 2, 33, 90, 32, 32), {"causal": True}),
    "padding": ((2, 2, 40, 40, 64, 64), {"mask": "padding"}),
    "added, capped": ((1, 2, 40, 50, 32, 48), {"mask": "added", "softcap": 3.0}),
    "every row its mask": ((1, 2, 37, 45, 32, 32), {"mask": "full"}),
    "shared keys": ((1, 4, 40, 33, 32, 32), {"kv_heads": 2}),
    "symbolic": ((2, 2, 45, 70, 32, 32), {"symbolic": True}),
    "few symbolic queries": ((1, 2, 7, 70, 32, 32), {"symbolic": True, "mask": "full"}),
    "one symbolic query": ((1, 2, 1, 33, 64, 64), {"symbolic": True, "causal": True}),
    "a tile and a query, causal": ((1, 1, 33, 33, 32, 32), {"symbolic": True, "causal": True}),
}


def problem(name: str) -> Problem:
    shape, options = PROBLEMS[name]
    return Problem(*shape, dtype=BF16, **options)  # type: ignore[misc,arg-type]


def in_tiles(keys: int, tiles: int = 2) -> Schedule:
    return AttentionOptions(rows=32, vectors=2, lanes=16, tiles=tiles, keys=keys, serial=False).schedule


def check(found: Any, task: Problem) -> None:
    """Exponentials and the result are rounded to bf16, 2^-9 each."""
    np.testing.assert_allclose(found, task.expected(), rtol=6e-3, atol=8e-3)


@pytest.mark.parametrize("keys", [32, 96])
@pytest.mark.parametrize("name", PROBLEMS)
def test_products_of_tiles_are_right(name: str, keys: int) -> None:
    task = problem(name)
    for threads in (1, 3):
        check(task.run(in_tiles(keys), BEST, threads), task)


@pytest.mark.parametrize("target", LEVELS)
def test_every_level_emulates_tiles(target: Target) -> None:
    task = problem("rows and keys left over")
    check(task.run(in_tiles(64, 1), target, 1), task)


def test_values_beyond_the_last_key_do_no_harm() -> None:
    task = Problem(1, 1, 32, 40, 32, 32, dtype=BF16)
    whole = np.zeros((72, 32), BF16.numpy)
    whole[:40], whole[40:] = task.views[2][0, 0], np.inf
    task.arrays[2] = whole.reshape(-1)
    check(task.run(in_tiles(64), BEST, 1), task)


@pytest.mark.parametrize("name", PROBLEMS)
def test_tiles_and_their_emulation_give_the_same_bits(name: str) -> None:
    if lacking := supports(WITH_TILES):
        pytest.skip(f"this machine lacks {', '.join(lacking)}")
    task = problem(name)
    plain = parse_target("cpu:x86-64-v4+bf16")  # exponentials are rounded by the same instruction
    for keys in (32, 96):
        emulated = task.run(in_tiles(keys), plain, 1)
        assert np.array_equal(task.run(in_tiles(keys), WITH_TILES, 2), emulated)


def test_tiles_are_chosen_where_they_fit_and_the_target_has_them() -> None:
    fits = problem("whole tiles").task
    assert attention.schedules(fits, WITH_TILES, {})[0]["rows"] == 32
    assert {s["rows"] for s in attention.schedules(fits, BEST, {})} == {attention.schedules(fits, BEST, {})[0]["rows"]}
    for other in (
        Problem(1, 2, 15, 64, 64, 64, dtype=BF16), Problem(1, 2, 64, 64, 40, 64, dtype=BF16),
        Problem(1, 2, 64, 64, 64, 64), Problem(1, 2, 64, 64, 64, 64, layout="bhds", dtype=BF16),
    ):  # fmt: skip
        assert attention.schedules(other.task, WITH_TILES, {})[0]["rows"] < 32
        assert not attention.legal(other.task, in_tiles(64), WITH_TILES)
    assert all(attention.legal(fits, s, WITH_TILES) for s in attention.schedules(fits, WITH_TILES, {}))
