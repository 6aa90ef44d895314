"""kernels.py: the slots of a kernel."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish
from burnish.dtypes import DType
from burnish.lower.kernels import Slots
from burnish.lower.placement import Placement

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
