"""few_bits.py: the schedules of products of codes, and what they need."""

from __future__ import annotations

import pytest

from burnish.target import Target
from burnish.targets.cpu.contraction import few_bits
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.few_bit_products import product_of_codes

V3, V4 = Target("cpu", "x86-64-v3"), Target("cpu", "x86-64-v4")


@pytest.mark.parametrize(
    ("target", "m", "rows", "is_widened"),
    [(V4, 1, 1, False), (V4, 8, 8, False), (V4, 128, 11, False), (V3, 1, 1, False), (V3, 128, 6, True)],
)
def test_few_rows_widen_in_registers_and_avx2_widens_panels_for_many(
    target: Target, m: int, rows: int, is_widened: bool
) -> None:
    kernel = product_of_codes(m, 512, 64).kernel
    best = contraction.schedules(kernel, target)[0]
    assert best["rows"] == rows
    panel = 64 * int(best["vectors"]) * int(best["lanes"]) * 4
    assert contraction.scratch_bytes(kernel, best) == (panel if is_widened else 0)


def test_a_number_of_rows_that_is_not_known_gets_tiles_of_several_sizes() -> None:
    assert few_bits.tile_sizes(11, 16) == (11, 8, 4, 2, 1)
    assert few_bits.tile_sizes(6, 8) == (6, 4, 2, 1)
    assert few_bits.tile_sizes(1, 16) == (1,)
    kernel = product_of_codes(1, 64, 64, is_symbolic=True).kernel
    assert contraction.schedules(kernel, V4, {"m": 1})[0]["rows"] == 11


def test_a_tile_takes_as_many_vectors_as_registers_hold() -> None:
    assert [few_bits.vectors_at_once(rows, 4, 16) for rows in (1, 2, 4, 8)] == [4, 4, 2, 1]
    assert [few_bits.vectors_at_once(rows, 2, 8) for rows in (1, 2, 4)] == [2, 2, 1]
