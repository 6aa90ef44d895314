from __future__ import annotations

import numpy as np
import pytest

from burnish.dims import maximum, minimum, symbol
from burnish.dtypes import DType
from burnish.ops.broadcasting import broadcast_load, broadcast_shapes, is_affine_broadcast, spread
from burnish.ops.language.definition import Compute, Tensor
from burnish.ops.language.ordering import sizes_within
from burnish.ops.registry import Misfit

from .interpret import interpret

n, m = symbol("n"), symbol("m")


def test_ones_give_way_and_known_sizes_win_over_symbols():
    assert broadcast_shapes((n, 1), (3, 1, m)) == (3, n, m)
    assert broadcast_shapes((n,), (4,)) == (4,)
    assert broadcast_shapes((n,), (n,)) == (n,)
    assert broadcast_shapes((n,), (m,)) == (maximum(n, m) * minimum(1, minimum(n, m)),)
    with sizes_within({"n": (1, 9), "m": (1, 9)}):  # no axis is empty
        assert broadcast_shapes((n,), (m,)) == (maximum(n, m),)
    assert broadcast_shapes() == ()


def test_known_sizes_that_differ_do_not_fit():
    with pytest.raises(Misfit, match=r"shapes \[2,3\] and \[4\] do not broadcast"):
        broadcast_shapes((2, 3), (4,))


@pytest.mark.parametrize(("a", "b"), [(1, 5), (5, 1), (5, 5)])
def test_two_symbols_read_rightly_whichever_turns_out_to_be_one(a, b):
    x, y = Tensor("x", DType.I64, (n,)), Tensor("y", DType.I64, (m,))
    shape = broadcast_shapes(x.shape, y.shape)
    add = Compute(DType.I64, shape, lambda i: broadcast_load(x, i, shape) + broadcast_load(y, i, shape))
    values = {"x": np.arange(a), "y": 10 * np.arange(b)}
    np.testing.assert_array_equal(interpret(add, values, {"n": a, "m": b}), values["x"] + values["y"])


def test_affine_broadcasts_read_at_the_index_or_at_zero():
    assert is_affine_broadcast((1, n), (4, 7, n))
    assert not is_affine_broadcast((n,), (m,))


def test_an_operand_of_one_place_never_moves():
    assert [spread(1, 5), spread(1, 1), spread(1, n)] == [0, 0, 0]
    assert [spread(5, 5), spread(n, n)] == [1, 1]
    with sizes_within({"n": (1, 9)}):
        assert spread(n, m) == minimum(1, n - 1)
