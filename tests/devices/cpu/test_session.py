"""cpu_session.py: what a variant's segments are called by under given shapes."""

from __future__ import annotations

from burnish.devices.cpu.session import segment_numbers
from burnish.dims import symbol
from burnish.plan.manifest import BranchStep, FailStep, NativeStep
from burnish.plan.native_abi import ALONE, WORTH_WAKING_FLOP

PER_ROW = WORTH_WAKING_FLOP // 4


def test_shapes_decide_whether_a_segment_is_worth_waking_threads_for():
    steps = (NativeStep(0, 0, 1, symbol("n") * PER_ROW), NativeStep(1, 1, 1))
    assert segment_numbers(steps, {"n": 3}) == {0: ALONE, 1: 1}
    assert segment_numbers(steps, {"n": 4}) == {0: 0, 1: 1}


def test_segments_inside_branches_are_found_and_unknown_sizes_wake_everybody():
    inner = NativeStep(2, 0, 1, symbol("found") * PER_ROW)
    steps = (BranchStep(0, (inner,), (FailStep("side", "it does not fit"),)),)
    assert segment_numbers(steps, {"n": 1}) == {2: 2}
    assert segment_numbers(steps, {"n": 1, "found": 0}) == {2: 2 + ALONE}
