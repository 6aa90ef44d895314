from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, load
from burnish.targets.cpu.loops import template as loops
from burnish.targets.cpu.loops.interleave import interleaved_axis
from burnish.targets.cpu.loops.options import LoopsOptions

from .test_template import LEVELS, run


def channels_last(dtype: DType, channels: int, height: int, width: int, gap: int = 0) -> tuple[Loops, list[np.ndarray]]:
    """Planes side by side, each output row `gap` elements apart from the one before."""
    y, x, c = Axis("y", height), Axis("x", width), Axis("c", channels)
    row = width * channels + gap
    slots = (
        Slot(dtype, (channels, height, width), (height * width, width, 1)),
        Slot(dtype, (height, width, channels), (row, channels, 1)),
    )
    value = load(0, dtype, [axis(c), axis(y), axis(x)])
    kernel = Loops(slots, (y, x, c), (Store(1, (axis(y), axis(x), axis(c)), value),))
    random = np.random.default_rng(0)
    source = random.integers(0, 100, channels * height * width).astype(dtype.numpy)
    return kernel, [source, np.zeros(height * row, dtype.numpy)]


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("dtype", [DType.U8, DType.F32, DType.BF16, DType.I64, DType.BOOL], ids=str)
@pytest.mark.parametrize(("channels", "height", "width", "gap"), [(3, 4, 35, 5), (2, 1, 64, 0), (4, 2, 16, 1)])
def test_planes_become_channels_whatever_the_width(dtype, target, channels, height, width, gap):
    kernel, arrays = channels_last(dtype, channels, height, width, gap)
    options = LoopsOptions.read(loops.schedules(kernel, target)[0])
    assert options.rows == channels and options.width > 1, "no lane is stored by itself"
    run(kernel, arrays, target)


def test_one_long_row_is_shared_out_over_threads():
    kernel, _ = channels_last(DType.U8, 3, 1, 1 << 16)
    options = LoopsOptions.read(loops.schedules(kernel, LEVELS[-1])[0])
    assert options.block and not options.is_serial


def test_stores_that_leave_gaps_between_channels_are_not_interleaved():
    x, c = Axis("x", 32), Axis("c", 3)
    slots = (Slot(DType.F32, (32, 3), (1, 32)), Slot(DType.F32, (32, 3), (4, 1)))
    kernel = Loops(slots, (x, c), (Store(1, (axis(x), axis(c)), load(0, DType.F32, [axis(x), axis(c)])),))
    assert interleaved_axis(kernel, x) is None
