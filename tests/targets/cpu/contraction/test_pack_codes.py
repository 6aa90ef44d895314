"""pack_codes.py: where each code, scale and zero point lies."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contraction.test_write_codes import BEST
from tests.targets.cpu.few_bit_products import product_of_codes


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_each_code_lies_in_its_word(bits: int) -> None:
    depth, columns = 37, 40
    case = product_of_codes(1, columns, depth, bits=bits, size=16, zero=DType.U8)
    schedule = contraction.schedules(case.kernel, BEST)[0]
    width, each = int(schedule["vectors"]) * int(schedule["lanes"]), 32 // bits
    words = contraction.pack(case.kernel, schedule, 1, case.b)
    assert words.shape == (-(-columns // width), -(-depth // each), width)
    for k, n in np.ndindex(depth, columns):
        word = int(words[n // width, k // each, n % width])
        assert word >> (bits * (k % each)) & ((1 << bits) - 1) == case.b[k, n]


def test_scales_and_zero_points_lie_by_panels_and_nothing_else_is_packed() -> None:
    case = product_of_codes(1, 40, 37, size=16, zero=DType.U8)
    schedule = contraction.schedules(case.kernel, BEST)[0]
    width = int(schedule["vectors"]) * int(schedule["lanes"])
    for slot, given in zip((2, 3), case.others):
        packed = contraction.pack(case.kernel, schedule, slot, given)
        assert packed.shape == (-(-40 // width), 3, width)
        flat = packed.transpose(1, 0, 2).reshape(3, -1)
        np.testing.assert_array_equal(flat[:, :40], given.reshape(3, 40))
        assert not flat[:, 40:].any()
    assert contraction.pack(case.kernel, schedule, 4, case.a) is case.a
