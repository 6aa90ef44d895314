"""Which axes of a contraction merge into one run, and in what its sums are kept."""

from __future__ import annotations

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import accumulator_dtype, analyse
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction, Store
from burnish.ops.language.expr import Axis, acc, axis, binary, cast, load

F32 = DType.F32
Y, X, N, R, S, C = (Axis(n, e) for n, e in zip("yxnrsc", (6, 7, 16, 3, 3, 8)))


def convolution(pixel: int = 8, row: int = 72, out_row: int = 7 * 16, gather: bool = False) -> Contraction:
    """3x3 over a 9-pixel-wide image of 8 channels unless said otherwise."""
    at = (axis(Y), axis(X), axis(N))
    value = acc(0, F32)
    if gather:
        value = value + cast(axis(X), F32)
    slots = (Slot(F32, (8, 9, 8), (row, pixel, 1)), Slot(F32, (1,), (1,)), Slot(F32, (6, 7, 16), (out_row, 16, 1)))
    return Contraction(
        slots, (Y, X), N, (R, S, C), ((Y, row), (X, pixel), (R, row), (S, pixel), (C, 1)),
        ((R, 384), (S, 128), (C, 16), (N, 1)), True, (Store(2, at, value),),
    )  # fmt: skip


def test_taps_and_channels_merge_where_they_are_contiguous() -> None:
    assert [r.extent for r in analyse(convolution()).reduce] == [3, 24]
    assert [r.extent for r in analyse(convolution(pixel=10, row=90)).reduce] == [3, 3, 8]


def test_pixels_merge_only_if_input_and_output_are_both_flat() -> None:
    assert [r.extent for r in analyse(convolution()).pixels] == [6, 7]
    assert [r.extent for r in analyse(convolution(row=56)).pixels] == [42]
    assert [r.extent for r in analyse(convolution(row=56, out_row=200)).pixels] == [6, 7]


def test_pixels_whose_number_the_epilogue_uses_stay_apart() -> None:
    assert [r.extent for r in analyse(convolution(row=56, gather=True)).pixels] == [6, 7]


def test_symbolic_batches_merge_with_rows() -> None:
    batch = Axis("b", symbol("batch"))
    rows, k = Axis("m", 12), Axis("k", 8)
    slots = (Slot(F32, (1,), (1,)), Slot(F32, (1,), (1,)), Slot(F32, (symbol("batch"), 12, 16), (192, 16, 1)))
    kernel = Contraction(
        slots, (batch, rows), N, (k,), ((batch, 96), (rows, 8), (k, 1)), ((k, 16), (N, 1)), True,
        (Store(2, (axis(batch), axis(rows), axis(N)), acc(0, F32)),),
    )  # fmt: skip
    shape = analyse(kernel)
    assert [r.extent for r in shape.pixels] == [12 * symbol("batch")]
    assert shape.group_count == 1 and shape.depth == 8


def test_axes_that_b_depends_on_are_groups_and_axes_of_one_vanish() -> None:
    g, one = Axis("g", 4), Axis("one", 1)
    k = Axis("k", 8)
    kernel = Contraction(
        (Slot(F32, (1,), (1,)),) * 3, (g, one, X), N, (k,),
        ((g, 8), (X, 32), (k, 1)), ((g, 128), (k, 16), (N, 1)), True,
        (Store(2, (axis(g) * 16 + axis(X) * 64 + axis(N),), acc(0, F32)),),
    )  # fmt: skip
    shape = analyse(kernel)
    assert [r.extent for r in shape.groups] == [4] and [r.extent for r in shape.pixels] == [7] and shape.ones == (one,)


def test_accumulators_are_what_the_stores_say_or_wide_enough() -> None:
    at = (axis(Y), axis(X), axis(N))

    def kernel(dtype: DType, value: object) -> Contraction:
        slots = (Slot(dtype, (1,), (1,)),) * 3
        return Contraction(slots, (Y, X), N, (C,), (), (), False, (Store(2, at, value),))  # type: ignore[arg-type]

    assert accumulator_dtype(kernel(DType.F16, acc(0, F32))) is F32
    nothing = binary("add", load(0, F32, (axis(X),)), 1.0)
    for dtype, wanted in ((DType.BF16, F32), (DType.F64, DType.F64), (DType.U8, DType.I32), (DType.I64, DType.I64)):
        assert accumulator_dtype(kernel(dtype, nothing)) is wanted
