from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.task import Contraction, Store
from burnish.ops.language.expr import acc, axis, binary, load, walk
from burnish.targets.cpu.contraction.first_sums import first_sums
from tests.targets.cpu.contractions import check, matmul
from tests.targets.cpu.run_kernel import TARGETS, runnable
from tests.targets.cpu.tile_cases import in_tiles

U8, I8, I32 = DType.U8, DType.I8, DType.I32
LEVELS = [t for t in TARGETS if runnable(t)]


def with_value(kernel: Contraction, value) -> Contraction:
    return dataclasses.replace(kernel, stores=(Store(2, kernel.stores[0].index, value),))


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize(("rows", "vectors"), [(32, 2), (16, 1), (16, 4)])
def test_sums_that_begin_with_their_bias_are_exact(target, rows, vectors):
    case = matmul(37, 128, 100, batch=2, dtype=U8, b_dtype=I8, epilogue="residual", a_pad=3, out_pad=1)
    found = first_sums(case.kernel, 16 * vectors)
    assert found is not None and found[1].slot == 3
    assert not any(e.op == "load" and e.attr == 3 for s in found[0].stores for e in walk(s.value))
    check(case, in_tiles(case, rows, vectors), target, (1, 3))


def test_the_columns_of_the_bias_are_those_of_the_panel_wherever_they_begin():
    case = matmul(20, 96, 64, dtype=U8, b_dtype=I8, epilogue="bias")
    kernel, column = case.kernel, case.kernel.n
    moved = dataclasses.replace(kernel.slots[3], shape=(101,))
    later = acc(0, I32) + load(3, I32, (axis(column) + 5,))
    kernel = with_value(dataclasses.replace(kernel, slots=(*kernel.slots[:3], moved)), later)
    bias = np.concatenate([np.full(5, 99, np.int32), case.others[0]])
    found = first_sums(kernel, 32)
    assert found is not None and found[1].offset == 5
    check(dataclasses.replace(case, kernel=kernel, others=[bias]), in_tiles(case), LEVELS[-1], (2,))


def test_only_a_number_for_each_column_that_every_use_adds_is_moved():
    kernel = matmul(16, 64, 64, dtype=U8, b_dtype=I8, epilogue="bias").kernel
    column, row = kernel.n, kernel.pixels[-1]
    bias = load(3, I32, (axis(column),))
    refused = [
        bias - acc(0, I32),
        binary("max", acc(0, I32) + bias, acc(0, I32)),
        acc(0, I32),
        acc(0, I32) + load(3, I32, (axis(row),)),
        acc(0, I32) + load(3, I32, (axis(column) + axis(row),)),
        acc(0, I32) + load(2, I32, kernel.stores[0].index),
    ]
    assert first_sums(kernel, 32) is not None
    assert all(first_sums(with_value(kernel, value), 32) is None for value in refused)
    assert first_sums(kernel, 48) is None, "the last panel would read beyond the bias"


def test_sums_of_floats_begin_with_zero_since_their_order_is_part_of_the_answer():
    kernel = matmul(16, 64, 64, dtype=DType.BF16, epilogue="bias").kernel
    assert first_sums(kernel, 32) is None
