from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, binary, cast, const, load, reduce, where
from burnish.targets.cpu.loops import template as loops
from burnish.targets.cpu.loops.options import LoopsOptions
from tests.targets.cpu.reference_loops import dense

from .test_template import F32, I64, LEVELS, run


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("channels", [64, 40, 100, 7])
def test_a_kernel_of_bytes_alone_fills_a_register_with_them(target, channels):
    """max over a window, as in images of codes"""
    y, c, r = Axis("y", 6), Axis("c", channels), Axis("r", 3)
    row = axis(y) + axis(r) - 1
    inside = binary("and", binary("ge", row, 0), binary("le", row, 5))
    body = where(inside, load(0, DType.U8, [binary("max", binary("min", row, 5), 0), axis(c)]), const(0, DType.U8))
    slots = (dense(DType.U8, (6, channels)), dense(DType.U8, (6, channels)))
    kernel = Loops(slots, (y, c), (Store(1, (axis(y), axis(c)), reduce("max", (r,), body)),))
    options = LoopsOptions.read(loops.schedules(kernel, target)[0])
    if channels == 64:
        assert options.width == target.vector_bytes
    arrays = [np.random.default_rng(0).integers(0, 256, 6 * channels).astype(np.uint8) for _ in range(2)]
    run(kernel, arrays, target)


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_lanes_stay_wide_where_bytes_become_numbers_or_places(target):
    i = Axis("i", 256)
    table = Slot(DType.U8, (256,), (1,))
    index = cast(load(0, DType.U8, [axis(i)]), I64)
    reversed_lanes = load(0, DType.U8, [255 - axis(i)])
    values = [cast(load(0, DType.U8, [axis(i)]), F32), load(1, DType.U8, [index]), reversed_lanes]
    for value in values:
        slots = (table, table, dense(value.dtype, (256,)))
        kernel = Loops(slots, (i,), (Store(2, (axis(i),), value),))
        arrays = [
            np.arange(256).astype(np.uint8),
            np.arange(256)[::-1].astype(np.uint8),
            np.zeros(256, value.dtype.numpy),
        ]
        assert LoopsOptions.read(loops.schedules(kernel, target)[0]).width == target.vector_bytes // 4
        run(kernel, arrays, target)
