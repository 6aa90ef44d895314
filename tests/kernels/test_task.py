"""Tasks: a key says all that decides a kernel's code."""

from __future__ import annotations

from dataclasses import replace

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Chain, Loops, Stage, Store, Strip
from burnish.ops.language.expr import Axis, axis, load

SLOT = Slot(DType.F32, (12,), (1,))
ROW = Axis("i0", 3)
COPY = Loops((SLOT, SLOT), (ROW,), (Store(1, (axis(ROW),), load(0, DType.F32, [axis(ROW)])),))
CHAIN = Chain((SLOT, SLOT), (Stage(COPY, (0, -1)), Stage(COPY, (-1, 1))), (Strip(4, 3, 9),), ((1,), (1,)), (12,))


def test_chains_that_differ_anywhere_have_different_keys() -> None:
    others = [
        replace(CHAIN, strips=(Strip(4, 3, 8),)),
        replace(CHAIN, moves=((1,), (2,))),
        replace(CHAIN, between=(16,)),
        replace(CHAIN, stages=CHAIN.stages[::-1]),
        replace(CHAIN, stages=(Stage(COPY, (1, -1)), CHAIN.stages[1])),
    ]
    assert len({c.key for c in (CHAIN, *others)}) == 1 + len(others)
    assert replace(CHAIN).key == CHAIN.key
