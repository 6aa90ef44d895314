"""Placements: every view and reshape addresses the elements that numpy says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.dims import evaluate, symbol
from burnish.dtypes import DType
from burnish.lower.placement import Placement, dense_strides, reshape, same_strides, splitting_index, view
from burnish.ops.language.expr import Axis, axis


def addresses(placement: Placement) -> np.ndarray:
    """The element number of every index."""
    shape = [int(n) for n in placement.shape]
    grid = np.indices(shape)
    return sum((grid[a] * int(s) for a, s in enumerate(placement.strides)), np.full(shape, int(placement.offset)))


def dense(shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> Placement:
    return Placement(0, DType.F32, shape, dense_strides(shape, order))


shapes = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4).map(tuple)


@given(shapes, st.data())
def test_a_reshape_addresses_what_numpy_addresses_or_needs_a_copy(shape: tuple[int, ...], data: st.DataObject) -> None:
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    source = dense(shape, order)
    new = tuple(data.draw(st.permutations(_factors(math.prod(shape)))))
    found = reshape(source, new)
    expected = addresses(source).reshape(new)
    if found is None:
        with pytest.raises((ValueError, AttributeError)):  # numpy cannot do it without a copy either
            np.lib.stride_tricks.as_strided(
                np.empty(1), source.shape, [8 * int(s) for s in source.strides], writeable=False
            ).view().shape = new
    else:
        assert (addresses(found) == expected).all()


@given(shapes, st.data())
def test_an_index_that_splits_axes_reads_what_a_reshape_reads(shape: tuple[int, ...], data: st.DataObject) -> None:
    new = tuple(n for extent in shape for n in data.draw(st.sampled_from(_splits(extent))))
    where = splitting_index(shape, new)
    assert where is not None
    found = view(dense(shape), new, where)
    assert found is not None
    assert (addresses(found) == addresses(dense(shape)).reshape(new)).all()


def test_an_index_that_merges_axes_is_no_split() -> None:
    assert splitting_index((2, 3), (6,)) is None


def test_a_slice_with_a_negative_step_is_a_view() -> None:
    source = dense((5, 4))
    found = view(source, (3, 4), lambda i: [i[0] * -2 + 4, i[1]])
    assert found is not None
    assert (addresses(found) == addresses(source)[::-2]).all()


def test_an_index_that_is_not_linear_is_no_view() -> None:
    assert view(dense((5, 4)), (3, 4), lambda i: [i[0] % 2, i[1]]) is None


def test_symbolic_axes_merge_where_they_lie_together() -> None:
    n, m = symbol("n"), symbol("m")
    source = Placement(0, DType.F32, (n, m, 8), dense_strides((n, m, 8)))
    merged = reshape(source, (n * m, 8))
    assert merged is not None
    assert merged.strides == (8, 1)
    apart = Placement(0, DType.F32, (n, m, 8), (m * 16, 16, 2))
    assert reshape(apart, (n, 8 * m)) is not None
    assert reshape(Placement(0, DType.F32, (n, m), (1, n)), (n * m,)) is None


def test_strides_of_single_elements_do_not_matter() -> None:
    assert same_strides((1, 4), (99, 1), (4, 1))
    assert not same_strides((2, 4), (99, 1), (4, 1))
    assert dense((1, 4)).is_dense
    assert not dense((2, 4), (1, 0)).is_dense


def test_dense_strides_follow_the_order_of_axes() -> None:
    n = symbol("n")
    strides = dense_strides((n, 3, 4, 5), (0, 2, 3, 1))
    assert [evaluate(s, {"n": 2}) for s in strides] == [60, 1, 15, 3]
    assert axis(Axis("a", 3)) is axis(Axis("a", 3))


def _factors(n: int) -> list[int]:
    found, d = [], 2
    while n > 1:
        while n % d == 0:
            found.append(d)
            n //= d
        d += 1
    return [*found, 1]


def _splits(n: int) -> list[tuple[int, ...]]:
    return [(n,), (1, n), *((d, n // d) for d in range(2, n) if n % d == 0)]
