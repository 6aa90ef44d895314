"""Slots: how far they reach in memory, against every element's offset."""

from __future__ import annotations

import itertools

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.slot import Slot

N = symbol("n")


@pytest.mark.parametrize("shape, strides", [
    ((), ()), ((1,), (7,)), ((6, 8), (8, 1)), ((6, 8), (0, 3)), ((3, 4, 5), (1, 40, 3)), ((6, 8), (-8, 1)),
    ((4, 4), (-1, -9)),
])  # fmt: skip
def test_a_slot_reaches_from_its_lowest_element_to_its_highest(shape, strides):
    slot = Slot(DType.F32, shape, strides)
    offsets = [sum(i * s for i, s in zip(at, strides)) for at in itertools.product(*map(range, shape))]
    assert slot.ends == (min(offsets), max(offsets))
    assert slot.is_forward == (min(offsets) == 0)
    if slot.is_forward:
        assert slot.span == max(offsets) + 1


def test_a_symbolic_slot_has_a_symbolic_span():
    assert Slot(DType.F32, (N, 4), (5, 1)).span == N * 5 - 1
