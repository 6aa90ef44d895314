"""The type in which operands are multiplied, and what the instruction is told of their signs."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.target import parse_target
from burnish.targets.cuda.contraction import template as contraction
from burnish.targets.cuda.contraction.multiply import multiplied_as, read_as, signs_of
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.contraction.tiling import Tiling
from tests.targets.cuda.contraction_tasks import aligned, arrays_for, constant_of, matmul
from tests.targets.cuda.interpret import interpret

TURING, HOPPER = parse_target("cuda:sm_75"), parse_target("cuda:sm_90a")
PAIRS = [
    (DType.U8, DType.I8, DType.I8, DType.F32),
    (DType.I8, DType.I8, DType.I8, DType.F32),
    (DType.U8, DType.I16, DType.F32, DType.F32),
    (DType.I32, DType.I32, None, None),
    (DType.F16, DType.F16, DType.F16, DType.F16),
    (DType.BF16, DType.BF16, DType.BF16, DType.F32),
    (DType.F16, DType.F32, DType.F32, DType.F32),
    (DType.F64, DType.F32, DType.F64, DType.F64),
]


@pytest.mark.parametrize(("a", "b", "hopper", "turing"), PAIRS)
def test_the_type_in_which_operands_are_multiplied(a: DType, b: DType, hopper: DType | None, turing: DType | None):
    assert multiplied_as(a, b, HOPPER) is hopper
    assert multiplied_as(a, b, TURING) is turing


def test_signs_follow_the_operands_and_bytes_are_read_as_one_type():
    kernel = matmul(16, 16, 32, DType.U8, b_dtype=DType.I8)
    tilings = [Tiling(kernel, Tile("load", 16, 16, 32, swap=swap), HOPPER) for swap in (False, True)]
    assert [signs_of(t) for t in tilings] == [("u8", "i8"), ("i8", "u8")]
    assert read_as(tilings[0].first, HOPPER) == (DType.I8, DType.I8)
    assert read_as(tilings[0].first, TURING) == (DType.U8, DType.I8)
    assert signs_of(Tiling(matmul(16, 16, 32), Tile("load", 16, 16, 32), HOPPER)) == ()


def test_sums_of_bytes_wrap():
    """Every step's products are the largest: far beyond 2^31 in all, which neither saturates nor rounds."""
    kernel, tile = matmul(16, 16, 1 << 17, DType.U8, b_dtype=DType.I8), Tile("load", 16, 16, 256)
    arrays = arrays_for(kernel, {})
    arrays[0][:], arrays[1][:] = 255, -128
    given = dict(enumerate(arrays))
    given[1] = aligned(contraction.pack(kernel, tile.schedule, 1, constant_of(kernel, arrays[1], {})))
    interpret(contraction.emit(kernel, tile.schedule, HOPPER), given, {}, written={2})
    assert set(given[2].tolist()) == {np.int64(-128 * 255 * (1 << 17)).astype(np.int32)}


def test_a_step_of_integers_in_f32_is_short_enough_to_be_exact():
    kernel = matmul(16, 16, 1024, DType.U8, b_dtype=DType.I8)
    assert contraction.legal(kernel, Tile("load", 16, 16, 256, stages=1).schedule, TURING)
    assert not contraction.legal(kernel, Tile("load", 16, 16, 512, stages=1).schedule, TURING)
