"""Two convolutions whose results are added are one launch, where the target adds products."""

from __future__ import annotations

from typing import Any

import pytest

from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Contraction, Program, each_launch
from burnish.kernels.work import bytes_touched, flops
from tests.lower.test_lowering import check, model

ADDS = Abilities(winograd=False, pads_in_kernel=True, adds_products=True)
BLOCK = """m (float[2,8,9,7] x) => (float[2,12,5,4] y) {
    a = Conv (x, w1, b1) r = Relu(a) c = Conv <pads=[1,1,1,1], strides=[2,2]> (r, w2, b2) s = Relu(c)
    d = Conv (s, w3, b3) e = Conv <strides=[2,2]> (x, w4, b4) t = Add(d, e) y = Relu(t) }"""
WEIGHTS: dict[str, Any] = {
    "w1": (4, 8, 1, 1),
    "w2": (4, 4, 3, 3),
    "w3": (12, 4, 1, 1),
    "w4": (12, 8, 1, 1),
    **{f"b{i}": (4,) for i in (1, 2)},
    **{f"b{i}": (12,) for i in (3, 4)},
}


def contractions(program: Program) -> list[Contraction]:
    return [x.kernel for x in each_launch(program.steps) if isinstance(x.kernel, Contraction)]


def test_the_first_block_of_a_residual_stage_is_three_launches():
    program = check(model(BLOCK, WEIGHTS), abilities=ADDS)
    launches = list(each_launch(program.steps))
    last = launches[-1].kernel
    assert isinstance(last, Contraction)
    assert len(contractions(program)) == 3
    assert [[a.extent for a in t.reduce] for t in last.terms] == [[8], [4]]  # the deeper product comes first
    assert len(launches[-1].nodes) == 4


def test_a_target_that_adds_no_products_has_a_launch_for_each():
    program = check(model(BLOCK, WEIGHTS), abilities=Abilities(winograd=False, pads_in_kernel=True))
    assert len(contractions(program)) == 4
    assert not any(k.more for k in contractions(program))
    assert any("adds one product at a time" in reason for reason in program.declined.values())


def test_any_batch():
    text = BLOCK.replace("float[2,8", "float[n,8").replace("float[2,12", "float[n,12")
    assert len(contractions(check(model(text, WEIGHTS), {"n": 3}, abilities=ADDS))) == 3


def test_work_counts_both_products():
    *_, kernel = contractions(check(model(BLOCK, WEIGHTS), abilities=ADDS))
    assert kernel.flops == flops(kernel) == 2 * (2 * 5 * 4) * 12 * (8 + 4)
    assert bytes_touched(kernel) == 4 * (2 * 8 * 9 * 7 + 2 * 4 * 5 * 4 + 2 * 12 * 5 * 4 + 12 * (8 + 4) + 2 * 12)


def sum_of(middle: str) -> Program:
    text = f"""m (float[1,5,6,6] x) => (float[1,6,6,6] y) {{
        c = Conv <pads=[1,1,1,1]> (x, w) d = Conv (x, v) {middle} }}"""
    return check(model(text, {"w": (6, 5, 3, 3), "v": (6, 5, 1, 1), "k": (1, 6, 1, 1)}), abilities=ADDS)


ADDED = {
    "a sum": "y = Add(c, d)",
    "a sum with more": "s = Add(c, d) t = Sigmoid(s) y = Mul(s, t)",
    "more in the sum": "e = Add(c, k) y = Add(e, d)",
}


@pytest.mark.parametrize("name", ADDED)
def test_one_kernel_makes(name: str):
    assert sum(len(k.more) for k in contractions(sum_of(ADDED[name]))) == 1


def test_three_products_are_two_launches():
    program = sum_of("e = Conv <dilations=[2,2], pads=[2,2,2,2]> (x, w) s = Add(c, d) y = Add(s, e)")
    assert sorted(len(k.more) for k in contractions(program)) == [0, 1]


APART = {
    "a product of both": ("y = Mul(c, d)", "does not add"),
    "an activation between": ("e = Relu(d) y = Add(c, e)", "more than add"),
    "another place": ("e = Transpose <perm=[0,1,3,2]> (d) y = Add(c, e)", "different places"),
}


@pytest.mark.parametrize("name", APART)
def test_two_kernels_make(name: str):
    middle, reason = APART[name]
    program = sum_of(middle)
    assert not any(k.more for k in contractions(program))
    assert any(reason in found for found in program.declined.values())


def test_a_product_that_another_kernel_reads_lies_in_memory():
    text = """m (float[1,5,6,6] x) => (float[1,6,6,6] y, float[1,6,6,6] d) {
        c = Conv <pads=[1,1,1,1]> (x, w) d = Conv (x, v) y = Add(c, d) }"""
    program = check(model(text, {"w": (6, 5, 3, 3), "v": (6, 5, 1, 1)}), abilities=ADDS)
    assert not any(k.more for k in contractions(program))


def test_groups_are_not_added():
    text = """m (float[1,6,6,6] x) => (float[1,6,6,6] y) {
        c = Conv <pads=[1,1,1,1], group=2> (x, w) d = Conv (x, v) y = Add(c, d) }"""
    program = check(model(text, {"w": (6, 3, 3, 3), "v": (6, 6, 1, 1)}), abilities=ADDS)
    assert not any(k.more for k in contractions(program))
    assert any("plain convolutions" in reason for reason in program.declined.values())
