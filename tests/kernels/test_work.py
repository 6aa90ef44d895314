"""work.py: operations and bytes of a kernel."""

from __future__ import annotations

from burnish.dims import Dim, symbol
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import AttentionTask, Contraction, Loops, RecurrentTask, Store, TreesTask
from burnish.kernels.work import WALK_STEP_FLOP, bytes_touched, core_work, flops, stages_of
from burnish.ops.language.expr import Axis, axis, load, reduce, unary
from burnish.plan.native_abi import WORTH_WAKING_FLOP
from tests.kernels.test_task import CHAIN

F32 = DType.F32


def dense(*shape: int) -> Slot:
    strides = [1]
    for n in reversed(shape[1:]):
        strides.insert(0, strides[0] * n)
    return Slot(F32, shape, tuple(strides))


def test_a_reduction_counts_every_element_it_reads():
    i, r = Axis("i0", 4), Axis("r0", 10)
    row = load(0, F32, (axis(i), axis(r)))
    kernel = Loops((dense(4, 10), dense(4)), (i,), (Store(1, (axis(i),), reduce("sum", (r,), unary("exp", row))),))
    assert flops(kernel) == 4 * 10 * 2
    assert bytes_touched(kernel) == 4 * (40 + 4)


def test_index_arithmetic_and_shared_values_are_free():
    i = Axis("i0", symbol("n"))
    twice = load(0, F32, (axis(i) * 2,))
    total = twice * twice
    kernel = Loops((dense(8), dense(8)), (i,), (Store(1, (axis(i),), total + total),))
    assert flops(kernel) == 2 * symbol("n")


def test_a_repeated_axis_is_read_once():
    kernel = Loops((Slot(F32, (8, 5), (0, 1)),), (Axis("i0", 8),), ())
    assert bytes_touched(kernel) == 20


def test_of_a_table_only_the_rows_that_are_chosen_count():
    i, j = Axis("i0", 3), Axis("i1", 8)
    row = load(1, DType.I64, (axis(i),))
    slots = (dense(1000, 8), Slot(DType.I64, (3,), (1,)), dense(3, 8))
    kernel = Loops(slots, (i, j), (Store(2, (axis(i), axis(j)), load(0, F32, (row, axis(j)))),))
    assert bytes_touched(kernel) == 4 * 24 + 8 * 3 + 4 * 24
    small = Loops((dense(2, 8), *slots[1:]), (i, j), kernel.stores)
    assert bytes_touched(small) == 4 * 16 + 8 * 3 + 4 * 24


def test_a_contraction_says_its_own():
    p, n, k = Axis("p0", 3), Axis("n", 4), Axis("k0", 5)
    kernel = Contraction((dense(3, 5), dense(5, 4)), (p,), n, (k,), ((p, 5), (k, 1)), ((k, 4), (n, 1)), False, ())
    assert flops(kernel) == 2 * 3 * 4 * 5


def test_attention_is_two_products():
    slots = (dense(1, 2, 3, 4), dense(1, 2, 5, 4), dense(1, 2, 5, 6), dense(1, 2, 3, 6))
    assert flops(AttentionTask(slots, 1.0, False, False)) == 2 * (1 * 2 * 3) * 5 * (4 + 6)


def test_a_recurrent_layer_is_its_gates():
    slots = (dense(7, 2, 8), dense(1, 12, 8), dense(1, 12, 3))
    assert flops(RecurrentTask(slots, "LSTM", (), 3, "forward", ())) == 7 * 2 * 2 * 4 * 3 * (8 + 3)


def trees(rows: Dim) -> TreesTask:
    nodes, targets = Slot(DType.I32, (100 * 256, 4), (4, 1)), Slot(DType.I32, (1,), (1,))
    slots = (Slot(F32, (rows, 30), (30, 1)), nodes, targets, Slot(F32, (rows, 1), (1, 1)))
    return TreesTask(slots, 100, "sum", ("LEQ",), False, False)


def test_trees_read_at_most_a_record_a_step_and_a_step_costs_much_more_than_a_flop():
    one = trees(1)
    assert flops(one) == 100 * 8 and bytes_touched(one) == 4 * 30 + 100 * 8 * 16 + 4 + 4
    assert core_work(one) == 100 * 8 * WALK_STEP_FLOP
    assert bytes_touched(trees(1000)) == 4 * 30 * 1000 + 100 * 256 * 16 + 4 + 4 * 1000


def test_one_row_of_trees_wakes_no_other_thread_and_many_do():
    assert core_work(trees(1)) < WORTH_WAKING_FLOP < core_work(trees(128))


def test_the_stages_of_a_chain_are_kernels_of_its_program() -> None:
    assert [type(k) for k in stages_of(CHAIN)] == [Loops, Loops]
    assert list(stages_of(CHAIN.stages[0].kernel)) == [CHAIN.stages[0].kernel]
