from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.codes import simplify_codes
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction, Store
from burnish.ops.language.expr import acc, binary, cast, const
from burnish.ops.quantize import limits, requantize
from tests.targets.cpu.contractions import Case, check, matmul
from tests.targets.cpu.run_kernel import TARGETS, runnable
from tests.targets.cpu.tile_cases import in_tiles

LEVELS = [t for t in TARGETS if runnable(t)]


def with_codes(case: Case, dtype: DType, scale: float, zero: int) -> Case:
    """The case with its sums scaled and quantised."""
    kernel = case.kernel
    slot, store = kernel.slots[2], kernel.stores[0]
    number = binary("unfused_mul", cast(acc(0, DType.I32), DType.F32), const(scale, DType.F32))
    code = simplify_codes(requantize(number, const(zero, DType.I32), dtype), True)
    slots = (*kernel.slots[:2], Slot(dtype, slot.shape, slot.strides), *kernel.slots[3:])
    product = case.expected.astype(np.float32) * np.float32(scale)
    codes = np.clip(np.rint(product.astype(np.float64)) + zero, *limits(dtype))
    changed = dataclasses.replace(kernel, slots=slots, stores=(Store(2, store.index, code),))
    return dataclasses.replace(case, kernel=changed, expected=codes, tolerance=0.0)


def has_limits(kernel: Contraction) -> bool:
    return kernel.stores[0].value.args[0].op == "min"


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize(("dtype", "zero"), [(DType.U8, 0), (DType.U8, 131), (DType.I8, -5)])
@pytest.mark.parametrize("scale", [2e-3, 0.25])
def test_sums_become_codes_limited_at_both_ends(target, dtype, zero, scale):
    case = with_codes(matmul(37, 80, 96, dtype=DType.U8, b_dtype=DType.I8, out_pad=3), dtype, scale, zero)
    assert has_limits(case.kernel)
    ends = set(limits(dtype)) if scale == 0.25 else set()
    assert ends <= set(case.expected.ravel())
    for rows, vectors in ((32, 2), (16, 4), (32, 1)):
        check(case, in_tiles(case, rows, vectors), target, (1, 2))


@pytest.mark.parametrize("columns", [33, 40, 50])
def test_a_pair_of_column_tiles_that_is_not_full_writes_no_other_column(columns):
    case = with_codes(matmul(20, columns, 64, dtype=DType.U8, b_dtype=DType.I8, out_pad=1), DType.U8, 0.01, 128)
    check(case, in_tiles(case), LEVELS[-1], (1, 3))


def test_codes_keep_their_clamp_where_a_float_may_exceed_an_integer():
    case = with_codes(matmul(16, 32, 64, dtype=DType.U8, b_dtype=DType.I8), DType.U8, 1e6, 7)
    assert not has_limits(case.kernel)
    check(case, in_tiles(case), LEVELS[-1], (1,))


def test_no_other_integer_is_packed_with_saturation():
    case = matmul(16, 32, 64, dtype=DType.U8, b_dtype=DType.I8)
    kernel = case.kernel
    wrapped = dataclasses.replace(
        kernel,
        slots=(*kernel.slots[:2], Slot(DType.U8, kernel.slots[2].shape, kernel.slots[2].strides)),
        stores=(Store(2, kernel.stores[0].index, cast(acc(0, DType.I32), DType.U8)),),
    )
    case = dataclasses.replace(case, kernel=wrapped, expected=case.expected.astype(np.int64) % 256)
    check(case, in_tiles(case), LEVELS[-1], (1,))
