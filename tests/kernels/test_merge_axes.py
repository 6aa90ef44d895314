"""Axes that are walked as one become one; the rest stay."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.merge_axes import merge_axes, prepare
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, cast, dim, load, reduce, text
from tests.targets.cpu.reference_loops import Reference, dense

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


def flat(slot, axes, strides, dtype=F32):
    return load(slot, dtype, [sum((axis(a) * n for a, n in zip(axes, strides)), start=dim(0))])


def test_a_gathered_axis_stays_but_those_that_walk_the_gathers_index_merge():
    rows = load(1, DType.I64, [axis(A) * 5 + axis(B)])
    kernel = Loops(
        (dense(F32, (99,)), dense(DType.I64, (15,)), dense(F32, (105,))),
        (A, B, C),
        (Store(2, (axis(A) * 35 + axis(B) * 7 + axis(C),), load(0, F32, [rows * 7 + axis(C)])),),
    )
    assert [a.extent for a in merge_axes(kernel).domain] == [15, 7]


def test_each_reduction_merges_the_axes_that_its_own_loads_allow():
    slots = (dense(F32, (105,)), dense(F32, (200,)), dense(F32, (3,)))
    whole = reduce("sum", (B, C), flat(0, (A, B, C), (35, 7, 1)))
    gaps = reduce("max", (B, C), flat(1, (A, B, C), (40, 8, 1)))
    value = merge_axes(Loops(slots, (A,), (Store(2, (axis(A),), whole + gaps),))).stores[0].value
    assert [[a.extent for a in e.attr[1]] for e in value.args] == [[35], [5, 7]]


def test_lowering_puts_the_terms_of_merged_axes_last_so_timing_caches_keep_their_keys():
    d, e = Axis("d", 2), Axis("e", 4)
    at = flat(0, (e, A, B, C, d), (210, 70, 14, 2, 1)).args[0]
    kernel = Loops((Slot(F32, (840,), (1,)),) * 2, (d, A, B, C, e), (Store(1, (at,), load(0, F32, [at])),))
    merged, in_place = merge_axes(kernel, are_last=True), merge_axes(kernel)
    assert [a.extent for a in merged.domain] == [a.extent for a in in_place.domain] == [2, 105, 4]
    assert (
        text(merged.stores[0].index[0])
        == text(merged.stores[0].value.args[0])
        == "add(add(mul(e,210:i64),d),mul(c,2:i64))"
    )
    assert text(in_place.stores[0].index[0]) == "add(add(mul(e,210:i64),mul(c,2:i64)),d)"


@pytest.mark.parametrize("seed", range(12))
def test_merged_kernels_compute_the_same(seed):
    """Random strides over four axes, of which about half are dense, with a reduction over the last two."""
    random = np.random.default_rng(seed)
    axes = [Axis(name, int(random.integers(1, 5))) for name in "abcd"]
    below = list(itertools.accumulate([a.extent for a in axes[:0:-1]], initial=1, func=lambda x, y: x * y))[::-1]
    gap = int(random.integers(0, 2))
    strides = [s + gap * int(random.integers(0, 2)) * 7 for s in below]
    slots = (Slot(F32, (400,), (1,)), Slot(F32, (400,), (1,)))
    row = axis(axes[0]) * below[0] + axis(axes[1]) * below[1]
    value = reduce("sum", axes[2:], flat(0, axes, strides)) + flat(0, axes[:2], below[:2])
    kernel = Loops(slots, tuple(axes[:2]), (Store(1, (row,), value),))
    arrays = [random.standard_normal(400), np.zeros(400)]
    before, *after = (Reference(k, arrays).run()[1] for k in (kernel, merge_axes(kernel), merge_axes(kernel, True)))
    np.testing.assert_allclose(after, [before] * 2, rtol=1e-12)
    assert gap or [a.extent for a in merge_axes(kernel).domain] in ([], [axes[0].extent * axes[1].extent])


@pytest.mark.parametrize("kind", ["max", "min", "sum"])
def test_a_largest_number_is_looked_for_in_the_order_of_memory_and_a_sum_keeps_its_own(kind: str):
    turned = Slot(F32, (3, 5, 7), (1, 21, 3))  # the first axis is innermost
    total = Loops(
        (turned, dense(F32, (1,))), (Axis("one", 1),), (Store(1, (dim(0),), reduce(kind, (A, B, C), load(0, F32, AT))),)
    )
    (found,) = [s.value for s in merge_axes(total).stores]
    assert [a.extent for a in found.attr[1]] == ([3, 35] if kind == "sum" else [105])
