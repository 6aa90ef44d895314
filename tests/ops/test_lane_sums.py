"""Which sums have an order of their own; tests/end_to_end/test_quantised_operators.py compares their codes."""

from __future__ import annotations

import pytest

from burnish.dims import Dim, symbol
from burnish.dtypes import DType
from burnish.ops.lane_sums import sum_of_plane, sum_of_row
from burnish.ops.language.definition import Tensor
from burnish.ops.language.expr import Expr, axis, const, fresh_axis, walk


def reduced(shape: tuple[Dim, ...], axes: tuple[int, ...], dtype: DType = DType.F32) -> tuple[Expr | None, Expr | None]:
    x = Tensor("x", dtype, shape)
    index = [const(0, DType.I64) if a in axes else axis(fresh_axis(n)) for a, n in enumerate(shape)]
    return sum_of_plane(x, axes, index), sum_of_row(x, axes, index)


def lanes_of(total: Expr) -> int:
    return len({id(e) for e in walk(total) if e.op == "reduce"})


@pytest.mark.parametrize(
    ("count", "plane", "row"), [(3, 0, 0), (4, 4, 0), (7, 4, 4), (8, 4, 8), (49, 4, 4), (256, 4, 8)]
)
def test_a_plane_has_four_lanes_and_a_row_of_fours_eight(count: int, plane: int, row: int) -> None:
    of_plane, of_row = reduced((5, count), (1,))
    assert of_plane is not None
    assert of_row is not None
    assert (lanes_of(of_plane), lanes_of(of_row)) == (plane, row)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 257), (1,)), ((5, symbol("n")), (1,)), ((8, 5), (0,)), ((4, 5, 8), (1,)), ((5, 0), (1,)), ((5, 1), (1,))],
    ids=["long", "open", "first axis", "middle axis", "empty", "one"],
)
def test_other_sums_are_left_to_the_target(shape: tuple[Dim, ...], axes: tuple[int, ...]) -> None:
    assert reduced(shape, axes) == (None, None)


def test_integers_have_no_order() -> None:
    assert reduced((5, 8), (1,), DType.I32) == (None, None)
