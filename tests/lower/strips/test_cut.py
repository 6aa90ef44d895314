"""A strip of a kernel: its rows, and what its slots move by."""

from __future__ import annotations

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction, Loops, Store
from burnish.lower.strips.cut import cut
from burnish.ops.language import expr as ex
from burnish.ops.language.expr import Axis, Expr, axis

N, H, W, C = Axis("p0", 2), Axis("p2", 6), Axis("p3", 5), Axis("n", 4)
SLOT = Slot(DType.F32, (240,), (1,))


def index(step: int = 1) -> Expr:
    return axis(N) * 120 + axis(H) * (20 * step) + axis(W) * 4 + axis(C)


def loops(*loads: Expr, value: Expr | None = None) -> Loops:
    total = value if value is not None else ex.load(0, DType.F32, [loads[0]])
    for each in loads[1:]:
        total = total + ex.load(0, DType.F32, [each])
    return Loops((SLOT, SLOT), (N, H, W, C), (Store(1, (index(),), total),))


def test_the_strides_of_image_and_row_become_moves() -> None:
    found = cut(loops(index(2), index(2) + 7), N, H, 3)
    assert found is not None and found.moves == ((120, 40), (120, 20))
    assert isinstance(found.kernel, Loops) and [a.extent for a in found.kernel.domain] == [3, 5, 4]


def test_a_product_moves_by_the_strides_of_a() -> None:
    k = Axis("k0", 3)
    store = Store(2, (index(),), ex.acc(0, DType.F32))
    a = ((N, 90), (H, 15), (W, 3), (k, 1))
    kernel = Contraction((SLOT,) * 3, (N, H, W), C, (k,), a, ((k, 4), (C, 1)), True, (store,))
    found = cut(kernel, N, H, 2)
    assert found is not None and found.moves == ((90, 15), (0, 0), (120, 20))
    assert isinstance(found.kernel, Contraction) and [p.extent for p in found.kernel.pixels] == [2, 5]
    assert dict(found.kernel.a_strides)[Axis("p2", 2)] == 15 and N not in dict(found.kernel.a_strides)


def test_rows_that_a_kernel_counts_or_reads_in_two_ways_or_along_no_line_cannot_be_cut() -> None:
    assert cut(loops(index(1), index(2)), N, H, 3) is None
    assert cut(loops(ex.binary("min", index(), 100)), N, H, 3) is None
    counted = ex.cast(axis(H), DType.F32) + ex.load(0, DType.F32, [index()])
    assert cut(loops(value=counted), N, H, 3) is None
