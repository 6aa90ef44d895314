"""kernels.py: the slots of a kernel; expressions as loop nests."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops
from burnish.lower.kernels import Slots, loops_of, merged
from burnish.lower.placement import Placement
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import Tensor
from burnish.ops.language.expr import axis, fresh_axis

TEXT = """<ir_version: 10, opset_import: ["" : 21]>
    m (float[3,4] u, float[7,4] v, float[4,4] w, int64[6] i, int64[6] j) => (float[6,4] y) {{
    p = MatMul (u, w)
    q = MatMul (v, w)
    whole = Concat <axis = 0> (p, q)
    a = Gather (p, i)
    b = Gather (whole, j)
    y = Add ({order}) }}"""


def test_placements_share_a_slot_only_if_they_begin_and_end_together():
    slots = Slots()
    part, whole = Placement(0, DType.F32, (3, 4), (4, 1)), Placement(0, DType.F32, (10, 4), (4, 1))
    turned = Placement(0, DType.F32, (4, 3), (1, 4))
    assert [slots.number(p) for p in (part, whole, part, turned)] == [0, 1, 0, 0]
    assert [slot.shape for slot in slots.flat] == [(12,), (40,)]


@pytest.mark.parametrize("order", ["a, b", "b, a"])
def test_rows_of_a_whole_are_read_beside_rows_of_its_first_part(order: str):
    """A part that is written in place begins where the whole does; its last row is not that of the whole."""
    rows, w = np.arange(40, dtype=np.float32).reshape(10, 4), np.eye(4, dtype=np.float32) * 2
    i, j = np.array([0, 1, 2, 0, 1, 2]), np.array([9, 8, 7, 3, 4, 5])
    with burnish.load(burnish.build(onnx.parser.parse_model(TEXT.format(order=order)))) as engine:
        found = engine(u=rows[:3], v=rows[3:], w=w, i=i, j=j)["y"]
    np.testing.assert_array_equal(found, 2 * (rows[:3][i] + rows[j]))


X = Tensor("x", DType.F32, (3, 5))
INTO = Placement(1, DType.F32, (3, 5), (5, 1))


def nest(order: tuple[int, int]) -> tuple[Loops, Slots]:
    axes = (fresh_axis(3, "a"), fresh_axis(5, "a"))
    value = ex.load(X, DType.F32, [axis(a) for a in axes]) * 2.0
    kernel, slots = loops_of(axes, value, order, INTO, lambda load: Placement(0, DType.F32, (3, 5), (5, 1)))
    assert [a.extent for a in kernel.domain] == [axes[n].extent for n in order]
    return kernel, slots


def test_the_axes_come_in_the_order_asked_for_and_the_result_is_written() -> None:
    for order in ((0, 1), (1, 0)):
        _, slots = nest(order)
        assert slots.written == {1} and [p.storage for p in slots.placements] == [0, 1]


def test_axes_that_memory_walks_as_one_become_one_of_a_common_name() -> None:
    kernel, _ = nest((0, 1))
    again, _ = nest((0, 1))
    assert [(a.name, a.extent) for a in merged(kernel).domain] == [("i0", 15)]
    assert merged(kernel).key == merged(again).key
    assert merged(kernel).slots == (Slot(DType.F32, (15,), (1,)),) * 2
