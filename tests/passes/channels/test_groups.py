"""groups.py: which tensors share their channels."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.channels.groups import find_groups, zeros
from tests.passes.golden import build

IMAGE = "float[2,8,6,6] x"
CHAIN = "h = Conv(x, v, b) k = Relu(h) r = Conv(k, u) s = Add(k, r) y = Conv(s, w)"
WEIGHTS = {"v": (16, 8, 1, 1), "b": (16,), "u": (16, 16, 1, 1), "w": (4, 16, 1, 1)}


def test_a_residual_sum_ties_both_sides_into_one_group():
    (group,) = find_groups(build(IMAGE, CHAIN, **WEIGHTS).graph)
    assert group.size == 16 and {v.name for v in group.values} == set("hkrs")
    assert {v.name for v in group.read} == set("ks")
    assert [len(group.makers), len(group.riders), len(group.readers)] == [3, 0, 2]


def test_a_channel_is_zero_where_every_way_to_it_is():
    bias, inner = np.ones(16, np.float32), np.ones((16, 16, 1, 1), np.float32)
    bias[:4] = 0
    inner[2:6] = 0
    outer = np.ones((16, 8, 1, 1), np.float32)
    outer[:4] = 0
    model = build(IMAGE, CHAIN, **{**WEIGHTS, "v": outer, "b": bias, "u": inner})
    (group,) = find_groups(model.graph)
    found = {str(v.name): np.flatnonzero(dead).tolist() for v, dead in zeros(group).items()}
    assert found == {"h": [0, 1, 2, 3], "k": [0, 1, 2, 3], "r": [2, 3, 4, 5], "s": [2, 3]}


NONE = {
    "an output": "y = Conv(x, v, b)",
    "a softmax over channels": "h = Conv(x, v, b) s = Softmax <axis=1> (h) y = Conv(s, w)",
    "a transpose": "h = Conv(x, v, b) t = Transpose <perm=[0,2,3,1]> (h) m = MatMul(t, g) y = Relu(m)",
    "a sum with the input": "h = Conv(x, q) s = Add(h, x) y = Conv(s, q)",
}


@pytest.mark.parametrize("body", NONE.values(), ids=NONE.keys())
def test_what_is_not_known_in_whole_is_no_group(body):
    model = build(IMAGE, body, **WEIGHTS, g=(16, 4), q=(8, 8, 1, 1))
    assert not list(find_groups(model.graph))
