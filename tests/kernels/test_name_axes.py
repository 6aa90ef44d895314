"""Equal work has equal keys, whatever its axes were called."""

from __future__ import annotations

from burnish.dtypes import DType
from burnish.kernels.name_axes import canonical
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, fresh_axis, load, reduce
from tests.targets.cpu.reference_loops import dense

SLOTS = (dense(DType.F32, (6, 8)), dense(DType.F32, (6,)))


def row_sums(row: Axis, columns: int = 8) -> Loops:
    """Each row's elements over its sum, summed: two reductions over the same columns."""
    first, second = fresh_axis(columns), fresh_axis(columns)
    total = reduce("sum", (first,), load(0, DType.F32, [axis(row), axis(first)]))
    share = reduce("sum", (second,), load(0, DType.F32, [axis(row), axis(second)]) / total)
    domain, stores = canonical((row,), (Store(1, (axis(row),), share + total),))
    return Loops(SLOTS, domain, stores)


def test_names_of_axes_do_not_decide_a_key() -> None:
    assert row_sums(Axis("a", 6)).key == row_sums(fresh_axis(6, "b")).key
    assert row_sums(Axis("a", 6)).key != row_sums(Axis("a", 6), columns=7).key
    assert row_sums(Axis("a", 6)).key != row_sums(Axis("a", 5)).key


def test_equal_reductions_are_one_expression() -> None:
    one, other = fresh_axis(8), fresh_axis(8)
    row = Axis("row", 6)
    x, y = (reduce("sum", (r,), load(0, DType.F32, [axis(row), axis(r)])) for r in (one, other))
    _, (store,) = canonical((row,), (Store(1, (axis(row),), x * y),))
    assert store.value.args[0] is store.value.args[1]
