"""Chains: a strip is a shift of the first one, or there is no chain."""

from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.kernels.abilities import Abilities
from burnish.kernels.strips import Between, Part, Strip
from burnish.kernels.task import Chain, Loops, Store, each_launch
from burnish.lower.kernels import Slots
from burnish.lower.placement import Placement
from burnish.lower.strips.chain import Along, chain_of, intermediate
from burnish.ops.language import expr as ex
from burnish.ops.language.expr import Axis, Expr, axis
from tests.lower.test_lowering import check, model

CHAINS = Abilities(chains=True)
ALONG = Along(Axis("s0", 12), Strip(4, 3, 9))
ROW = Axis("i0", 3)


def copy(source: Placement, into: Placement, at: Expr, to: Expr, also: Expr | None = None) -> tuple[Loops, Slots]:
    """into[to] = source[at], or that plus source[also]."""
    slots = Slots([source, into])
    slots.written.add(1)
    value = ex.load(0, DType.F32, [at])
    value = value if also is None else value + ex.load(0, DType.F32, [also])
    return Loops(slots.flat, (ROW,), (Store(1, (to,), value),)), slots


def test_what_an_index_takes_from_the_strip_becomes_a_move_of_its_slot() -> None:
    whole, out, between = (
        Placement(5, DType.F32, (24,), (1,)),
        Placement(6, DType.F32, (12,), (1,)),
        intermediate(0, (3,)),
    )
    begin, i = axis(ALONG.axis), axis(ROW)
    stages = [copy(whole, between, begin * 2 + i * 2 + 1, i), copy(between, out, i, begin + i)]
    found = chain_of(stages, [ALONG])
    assert found is not None
    chain, slots = found
    assert [p.storage for p in slots.placements] == [5, 6] and slots.written == {1}
    assert chain.between == (Between(12),)
    assert [s.parts for s in chain.stages] == [(Part(0, (2,)), Part(-1, (0,))), (Part(-1, (0,)), Part(1, (1,)))]
    assert "s0" not in chain.key
    assert chain.stages[0].kernel.slots[0].aligned == 8  # two floats on
    assert chain.stages[1].kernel.slots[1].aligned == 4


@pytest.mark.parametrize("why", ["two ways", "no line"])
def test_a_slot_that_moves_in_two_ways_within_a_stage_or_along_no_line_is_no_chain(why: str) -> None:
    x, out = Placement(5, DType.F32, (24,), (1,)), Placement(6, DType.F32, (12,), (1,))
    begin, i = axis(ALONG.axis), axis(ROW)
    other = begin * 2 + i if why == "two ways" else ex.binary("min", begin, 7) + i
    first, second = copy(x, intermediate(0, (3,)), begin + i, i), copy(x, out, begin * 2 + i, begin + i)
    assert chain_of([first, second], [ALONG]) is not None
    assert chain_of([first, copy(x, out, begin + i, begin + i, other)], [ALONG]) is None


BLOCK = "a = Conv <pads=[1,1,1,1]> (x, w0) r = Relu(a) b = Conv <pads=[1,1,1,1]> (r, w1, c)"
LARGE = {"w0": (32, 32, 3, 3), "w1": (32, 32, 3, 3), "c": (32,)}


@pytest.mark.parametrize("size", [(80, 80), (83, 71), (121, 57)])
def test_large_images_are_convolved_strip_by_strip(size: tuple[int, int]) -> None:
    h, w = size
    text = f"m (float[2,32,{h},{w}] x) => (float[2,32,{h},{w}] y) {{ {BLOCK} s = Add(b, x) y = Relu(s) }}"
    program = check(model(text, LARGE), abilities=CHAINS)
    assert sum(isinstance(launch.kernel, Chain) for launch in each_launch(program.steps)) == 2


def test_an_epilogue_may_scale_each_image_and_the_number_of_images_may_be_dynamic() -> None:
    text = f"m (float[n,32,80,80] x, float[n,32,1,1] g) => (float[n,32,80,80] y) {{ {BLOCK} y = Mul(b, g) }}"
    program = check(model(text, LARGE), {"n": 3}, abilities=CHAINS)
    assert sum(isinstance(launch.kernel, Chain) for launch in each_launch(program.steps)) == 2


def test_small_images_stay_three_launches() -> None:
    text = f"m (float[1,32,16,16] x) => (float[1,32,16,16] y) {{ {BLOCK} y = Relu(b) }}"
    program = check(model(text, LARGE), abilities=CHAINS)
    assert not any(isinstance(launch.kernel, Chain) for launch in each_launch(program.steps))
