"""Schedules of patches: what is offered may be used, and what no patch can be may not."""

from __future__ import annotations

from burnish.kernels.schedule import Schedule
from burnish.target import parse_target
from burnish.targets.cuda.loops import template as loops
from tests.targets.cuda.loops.window.test_recognise import image
from tests.targets.cuda.loops_tasks import layer_norm

HOPPER = parse_target("cuda:sm_90a")


def test_what_is_offered_is_legal_and_what_no_patch_can_be_is_not():
    kernel = image(8, 14, 14, 32, (3, 3))
    offered = [s for s in loops.schedules(kernel, HOPPER, {}) if s.template == "window"]
    assert offered and all(loops.legal(kernel, s, HOPPER) for s in offered)
    wrong = [{"down": 9}, {"across": 0}, {"rows": 3}, {"warps": 16}, {"block": 4096}, {"ahead": 99}, {"registers": 256}]
    for schedule in offered[:5]:
        for change in wrong:
            changed = Schedule.of("window", **(dict(schedule.options) | change))
            assert not loops.legal(kernel, changed, HOPPER), changed
    assert not loops.legal(layer_norm(64, 768), offered[0], HOPPER)
