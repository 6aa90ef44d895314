"""Convolutions as one chain: what numpy computes strip by strip is ONNX Runtime's answer."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Chain, Program, each_launch
from burnish.lower.strips.convolutions import handed_on
from burnish.lower.strips.runs import Link
from tests.lower.strips.chained import slow_memory  # noqa: F401
from tests.lower.strips.test_runs import link
from tests.lower.test_lowering import check, model

pytestmark = pytest.mark.usefixtures("slow_memory")
CHAINS = Abilities(chains=True)
WEIGHTS = {"w0": (24, 8, 1, 1), "b0": (24,), "w1": (24, 1, 3, 3), "b1": (24,), "w2": (8, 24, 1, 1), "b2": (8,)}
EXPANSION = "a = Conv (x, w0, b0) e = Relu(a)"
PROJECTION = "p = Conv (d, w2, b2)"


def chains(program: Program) -> list[int]:
    """The number of stages of each chain."""
    return [len(x.kernel.stages) for x in each_launch(program.steps) if isinstance(x.kernel, Chain)]


@pytest.mark.parametrize(
    ("how", "taps", "size"),
    [
        ("pads=[1,1,1,1]", 3, (12, 10)),
        ("pads=[1,1,1,1], strides=[2,2]", 3, (17, 12)),
        ("pads=[0,0,1,1], strides=[2,2]", 3, (18, 14)),
        ("pads=[2,2,2,2]", 5, (13, 9)),
        ("pads=[1,2,2,1], strides=[2,1]", 5, (23, 9)),
        ("pads=[2,1,2,3], dilations=[2,2]", 3, (14, 11)),
        ("strides=[3,2]", 3, (25, 8)),
    ],
)
def test_expansion_depthwise_and_projection_are_one_chain(how: str, taps: int, size: tuple[int, int]) -> None:
    h, w = size
    text = f"""m (float[2,8,{h},{w}] x) => (float[2,8,u,v] y) {{
        {EXPANSION} c = Conv <group=24, {how}> (e, w1, b1) d = Relu(c) {PROJECTION} y = Relu(p) }}"""
    program = check(model(text, WEIGHTS | {"w1": (24, 1, taps, taps)}), abilities=CHAINS)
    assert chains(program) == [3]
    (chain,) = (x.kernel for x in each_launch(program.steps) if isinstance(x.kernel, Chain))
    assert chain.strips[1].count != 1, "a strip is a part of an image"


def test_a_residual_and_a_scale_of_each_image_follow_the_rows_and_the_number_of_images_may_be_dynamic() -> None:
    text = f"""m (float[n,8,12,10] x, float[n,8,1,1] g) => (float[n,8,12,10] y) {{
        {EXPANSION} c = Conv <group=24, pads=[1,1,1,1]> (e, w1, b1) d = Relu(c) {PROJECTION}
        s = Mul(p, g) y = Add(s, x) }}"""
    assert chains(check(model(text, WEIGHTS), {"n": 3}, abilities=CHAINS)) == [3]


def test_a_stem_and_a_result_in_the_models_own_order_belong_to_chains() -> None:
    text = """m (float[1,3,33,21] x) => (float[1,8,u,v] y) {
        a = Conv <pads=[1,1,1,1], strides=[2,2]> (x, w0, b0) e = Relu(a)
        c = Conv <group=24, pads=[1,1,1,1]> (e, w1, b1) d = Relu(c) y = Conv (d, w2, b2) }"""
    assert chains(check(model(text, WEIGHTS | {"w0": (24, 3, 3, 3)}), abilities=CHAINS)) == [3]


def test_two_blocks_are_a_chain_of_four_and_one_of_two_at_most() -> None:
    block = f"{EXPANSION} c = Conv <group=24, pads=[1,1,1,1]> (e, w1, b1) d = Relu(c) {PROJECTION}"
    text = f"""m (float[1,8,24,9] x) => (float[1,8,24,9] y) {{ {block}
        f = Conv (p, w0, b0) g = Relu(f) h = Conv <group=24, pads=[1,1,1,1]> (g, w1, b1) y = Conv (h, w2, b2) }}"""
    stages = chains(check(model(text, WEIGHTS), abilities=CHAINS))
    assert sum(stages) == 6 and max(stages) <= 4


def test_squeeze_and_excitation_ends_a_chain() -> None:
    text = f"""m (float[1,8,24,9] x) => (float[1,8,24,9] y) {{
        {EXPANSION} c = Conv <group=24, pads=[1,1,1,1]> (e, w1, b1) d0 = Relu(c)
        q = GlobalAveragePool (d0) s = Sigmoid(q) d = Mul(d0, s) y = Conv (d, w2, b2) }}"""
    assert chains(check(model(text, WEIGHTS), abilities=CHAINS)) == [2]


@pytest.mark.parametrize(
    ("tail", "stages"),
    [
        (f"{PROJECTION} q = Conv (e, w2, b2) y = Add(p, q)", [2]),
        (f"q = Relu(e) {PROJECTION} f = Conv (q, w2, b2) y = Add(f, p)", [2]),
        (f"{PROJECTION} y = Mul(p, ramp)", [3]),
        (f"{PROJECTION} t = Transpose <perm=[0,1,3,2]> (x) y = Add(p, t)", [3]),
        (f"{PROJECTION} t = Transpose <perm=[0,1,3,2]> (x) s = Add(x, t) y = Add(p, s)", []),
        (f'{PROJECTION} r = Resize <mode="nearest"> (z, , twice) y = Add(p, r)', [2]),
        (f"{PROJECTION} y = Transpose <perm=[0,1,3,2]> (p)", [2]),
    ],
    ids=["two readers", "a reader apart", "a value of each row", "columns", "rows, columns", "half", "transposed"],
)
def test_what_is_read_elsewhere_or_does_not_follow_the_rows_ends_a_chain(tail: str, stages: list[int]) -> None:
    text = f"""m (float[1,8,12,12] x, float[1,8,6,6] z) => (float[1,8,12,12] y) {{
        {EXPANSION} d = Conv <group=24, pads=[1,1,1,1]> (e, w1, b1) {tail} }}"""
    constants = {"ramp": (1, 1, 12, 1), "twice": np.array([1, 1, 2, 2], np.float32)}
    assert chains(check(model(text, WEIGHTS | constants), abilities=CHAINS)) == stages


def test_an_output_lies_in_memory() -> None:
    text = f"""m (float[1,8,12,12] x) => (float[1,8,12,12] p, float[1,24,12,12] e) {{
        {EXPANSION} d = Conv <group=24, pads=[1,1,1,1]> (e, w1, b1) {PROJECTION} }}"""
    assert chains(check(model(text, WEIGHTS), abilities=CHAINS)) == [2]


def test_targets_without_chains_have_launches() -> None:
    text = f"""m (float[1,8,24,9] x) => (float[1,8,24,9] y) {{
        {EXPANSION} d = Conv <group=24, pads=[1,1,1,1]> (e, w1, b1) {PROJECTION} y = Relu(p) }}"""
    assert chains(check(model(text, WEIGHTS), abilities=Abilities())) == []


def test_what_is_handed_on_has_the_readers_zeros_around_it() -> None:
    first: Link = link(24, 12, 10)
    found = handed_on(-1, first, link(24, 12, 10, taps=3, pads=(1, 1, 1, 1)), 4)
    pixel, row = 24 * 4, 12 * 24 * 4
    assert found.place.strides == (0, 1, 12 * 24, 24) and found.place.offset == 12 * 24 + 24
    assert [(p.start, p.size_bytes, p.count) for p in found.between.pads] == [
        (0, row + pixel, 1),
        (row + 11 * pixel, 2 * pixel, 4),
        (5 * row, row, 1),
    ]
    assert found.between.size_bytes == 6 * row + pixel
