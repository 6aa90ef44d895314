"""Axes that are walked as one become one; the rest stay."""

from __future__ import annotations

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.collapse import prepare
from burnish.kernels.task import Loops, Slot, Store
from burnish.ops.language.expr import Axis, axis, cast, load, reduce
from tests.targets.cpu.reference_loops import dense

F32 = DType.F32
A, B, C = Axis("a", 3), Axis("b", 5), Axis("c", 7)
AT = (axis(A), axis(B), axis(C))


def extents(kernel):
    return [a.extent for a in prepare(kernel).domain]


def copy(source, target, axes=(A, B, C)):
    at = tuple(map(axis, axes))
    return Loops((source, target), axes, (Store(1, at, load(0, F32, at)),))


def test_dense_axes_become_one():
    assert extents(copy(dense(F32, (3, 5, 7)), dense(F32, (3, 5, 7)))) == [105]


def test_symbolic_axes_become_one():
    n = Axis("n", symbol("n"))
    (extent,) = extents(copy(dense(F32, (3, symbol("n"))), dense(F32, (3, symbol("n"))), (A, n)))
    assert extent == 3 * symbol("n")


def test_a_gap_between_rows_keeps_its_axis():
    assert extents(copy(dense(F32, (3, 5, 7)), Slot(F32, (3, 5, 7), (40, 8, 1)))) == [15, 7]


def test_axes_of_one_vanish():
    one = Axis("one", 1)
    assert extents(copy(dense(F32, (3, 1, 7)), Slot(F32, (3, 1, 7), (8, 8, 1)), (A, one, C))) == [3, 7]


def test_an_axis_whose_value_is_used_stays():
    kernel = Loops((dense(F32, (3, 5, 7)),), (A, B, C), (Store(0, AT, cast(axis(C), F32)),))
    assert extents(kernel) == [15, 7]


def test_axes_of_a_reduction_become_one():
    body = load(0, F32, AT)
    kernel = Loops((dense(F32, (3, 5, 7)), dense(F32, (3,))), (A,), (Store(1, AT[:1], reduce("sum", (B, C), body)),))
    value = prepare(kernel).stores[0].value
    assert [a.extent for a in value.attr[1]] == [35]


def test_nothing_left_is_an_empty_domain():
    one = Axis("one", 1)
    assert extents(copy(dense(F32, (1,)), dense(F32, (1,)), (one,))) == []
