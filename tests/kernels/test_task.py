"""Tasks: a key says all that decides a kernel's code."""

from __future__ import annotations

from dataclasses import replace

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.strips import Between, Pads, Part, Rows, Strip
from burnish.kernels.task import Chain, Loops, Stage, Store
from burnish.ops.language.expr import Axis, axis, load

SLOT = Slot(DType.F32, (12,), (1,))
ROW = Axis("i0", 3)
COPY = Loops((SLOT, SLOT), (ROW,), (Store(1, (axis(ROW),), load(0, DType.F32, [axis(ROW)])),))
PADS = Pads(0, 4)
CHAIN = Chain(
    (SLOT, SLOT),
    (Stage(COPY, (Part(0, (1, 0)), Part(-1, (0, 0)))), Stage(COPY, (Part(-1, (0, 0)), Part(1, (1, 0))))),
    (Strip(4, 3, 9),),
    (Between(12),),
    (Rows(0, 2, -1, 8),),
)


def test_chains_that_differ_anywhere_have_different_keys() -> None:
    first, second = CHAIN.stages
    others = [
        replace(CHAIN, strips=(Strip(4, 3, 8),)),
        replace(CHAIN, rows=()),
        *(replace(CHAIN, rows=(rows,)) for rows in (Rows(0, 1, -1, 8), Rows(0, 2, 0, 8), Rows(0, 2, -1, 7))),
        replace(CHAIN, between=(Between(16),)),
        *(replace(CHAIN, between=(Between(12, (pads,)),)) for pads in (PADS, Pads(4, 4), Pads(0, 8), Pads(0, 4, 2, 8))),
        replace(CHAIN, between=(Between(12, (PADS,), 1),)),
        replace(CHAIN, stages=(second, first)),
        *(
            replace(CHAIN, stages=(Stage(COPY, (part, first.parts[1])), second))
            for part in (Part(1, (1, 0)), Part(0, (0, 1)), Part(0, (1, 0), 2))
        ),
    ]
    assert len({c.key for c in (CHAIN, *others)}) == 1 + len(others)
    assert replace(CHAIN).key == CHAIN.key
