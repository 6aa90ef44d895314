"""Windows of depthwise convolutions in blocks of channels, for one image and for a batch."""

from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, const, load, reduce
from burnish.target import parse_target
from burnish.targets.cpu.loops.options import LoopsOptions
from burnish.targets.cpu.loops.schedules import ranked

V4 = parse_target("cpu:x86-64-v4")


def depthwise(images: int, size: int, channels: int, taps: int, stride: int = 1) -> Loops:
    """Windows of taps x taps over padded images, channels last; one image has no axis for it, as after merging."""
    wide = stride * size + taps - 1
    n, y, x, c = (Axis(*a) for a in (("n", images), ("y", size), ("x", size), ("c", channels)))
    r, s = Axis("r", taps), Axis("s", taps)
    row, pixel = wide * channels, channels
    source = Slot(DType.F32, (images, wide, wide, channels), (wide * row, row, pixel, 1))
    weights = Slot(DType.F32, (taps, taps, channels), (taps * channels, channels, 1))
    target = Slot(DType.F32, (images, size, size, channels), (size * size * channels, size * channels, channels, 1))
    image = (axis(n),) if images > 1 else (const(0, DType.I64),)
    at = (*image, axis(y) * stride + axis(r), axis(x) * stride + axis(s), axis(c))
    value = reduce("sum", (r, s), load(0, DType.F32, at) * load(1, DType.F32, (axis(r), axis(s), axis(c))))
    domain = (n, y, x, c) if images > 1 else (y, x, c)
    return Loops((source, weights, target), domain, (Store(2, (*image, axis(y), axis(x), axis(c)), value),))


def best(kernel: Loops) -> LoopsOptions:
    return next(o for o in ranked(kernel, V4, {}) if o.width > 1 and o.tile >= 0)


@pytest.mark.parametrize(("size", "channels", "taps", "stride"), [(14, 576, 3, 1), (28, 192, 5, 1), (14, 240, 5, 2)])
def test_images_of_a_batch_are_blocked_as_one_image_is(size: int, channels: int, taps: int, stride: int) -> None:
    alone = best(depthwise(1, size, channels, taps, stride)).block
    assert 0 < alone < channels
    assert best(depthwise(8, size, channels, taps, stride)).block == alone


def test_an_image_larger_than_the_second_cache_level_is_not_blocked() -> None:
    assert best(depthwise(1, 112, 96, 3)).block == 0
    assert best(depthwise(4, 112, 96, 3)).block == 0
