"""What is known of a tiled contraction before any text is written."""

from __future__ import annotations

import pytest

from burnish.dims import Dim, evaluate, symbol
from burnish.target import parse_target
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.contraction.tiling import Tiling
from tests.targets.cuda.contraction_tasks import added, convolution, matmul

H200 = parse_target("cuda:sm_90a")
BATCH = symbol("batch")


@pytest.mark.parametrize(
    "m, n, tails", [(32, 48, (False, False)), (33, 48, (True, False)), (BATCH * 16, 40, (True, True))]
)
def test_only_whole_tiles_for_certain_have_no_tail(m: Dim, n: int, tails: tuple[bool, bool]):
    t = Tiling(matmul(m, n, 64), Tile("load", 16, 16, 32), H200)
    assert (t.rows_have_tail, t.columns_have_tail) == tails


def test_tiles_of_boxes_are_counted_along_each_run():
    kernel = convolution(2, 16, (9, 8), 40, (3, 3), pads=(1, 1))
    t = Tiling(kernel, Tile("copy", 16, 16, 16, box=(1, 4, 4)), H200)
    assert (t.boxes_along, t.row_tiles, t.column_tiles, t.tiles) == ((2, 3, 2), 12, 3, 36)
    assert t.rows_have_tail
    by_rows = Tiling(kernel, Tile("load", 16, 16, 16), H200)
    assert (by_rows.boxes_along, by_rows.rows_have_tail) == ((9,), False)


def test_groups_have_tiles_of_their_own():
    t = Tiling(matmul(20, 24, 40, batch=(BATCH, 2), packed=False), Tile("load", 16, 16, 16), H200)
    assert evaluate(t.tiles, {"batch": 3}) == 3 * 2 * 2 * 2


def test_packed_operands_are_whole_tiles_in_both_directions():
    kernel = convolution(1, 20, (5, 6), 40, (3, 3), pads=(1, 1))
    in_chunks = Tiling(kernel, Tile("load", 16, 32, 16), H200).first
    assert (in_chunks.packed_shape, in_chunks.depth_has_tail) == ((64, 9 * 32), True)
    flat = Tiling(kernel, Tile("load", 16, 32, 16, flat=True), H200).first
    assert (flat.packed_shape, flat.depth_has_tail) == ((64, 192), True)


def test_each_product_has_its_own_slots_and_depth():
    kernel = added(matmul(32, 32, 64, bias=True), matmul(32, 32, 128))
    first, second = Tiling(kernel, Tile("load", 16, 16, 32), H200).products
    assert (first.slots, second.slots) == ((0, 1), (4, 5))
    assert (first.reduction.steps, second.reduction.steps) == (2, 4)


@pytest.mark.parametrize("m, is_wide", [(1 << 16, False), (1 << 21, True), (BATCH, True)])
def test_offsets_are_of_64_bits_where_they_may_reach_so_far(m: Dim, is_wide: bool):
    assert Tiling(matmul(m, 1024, 64), Tile("load", 16, 16, 32), H200).is_wide == is_wide
