"""Networks in f32 whose products are by three bf16 parts: emulated and checked anywhere, by AMX where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import burnish
from burnish.devices.cpu.processor import best_target, supports
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Kernel, Program, each_launch
from burnish.target import Target, parse_target
from burnish.targets.cpu.templates import template_of
from burnish.tune import Tuner
from tests.end_to_end.architectures import SMALL
from tests.end_to_end.oracle import Array, answers, assert_near, session, shapes, tolerance
from tests.end_to_end.test_architectures import depth

WITH_TILES = parse_target("cpu:x86-64-v4+amx")
PLAIN = Target("cpu", best_target().level)


def in_parts(kernel: Kernel, program: Program, target: Target) -> Schedule:
    """The best schedule in parts, wherever there is one; else the target's own best."""
    template = template_of(kernel)
    found = [s for s in template.schedules(kernel, WITH_TILES, program.sizes) if "form=parts" in str(s)]
    return (found or template.schedules(kernel, target, program.sizes))[0]


@pytest.fixture
def parts_everywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Builds use parts wherever they are legal, whatever the target has."""

    def choose(self: Tuner, program: Program, target: Target) -> dict[str, Schedule]:
        return {launch.kernel.key: in_parts(launch.kernel, program, target) for launch in each_launch(program.steps)}

    monkeypatch.setattr(Tuner, "choose", choose)
    yield


def products_in_parts(plan: burnish.Plan) -> int:
    return sum("form=parts" in launch.tactic for v in plan.manifest.variants for launch in v.launches)


def check(model: bytes, plan: burnish.Plan, feeds: dict[str, Array]) -> None:
    want = answers(session(model), feeds)
    for threads in (1, 2):
        with burnish.load(plan, threads=threads) as engine:
            assert_near(engine(feeds), want, tolerance(np.dtype(np.float32), depth(model)))


@pytest.mark.parametrize(("name", "checked"), [("bert", True), ("convnext", False), ("resnet", False)])
def test_networks_in_parts_answer_as_f32(parts_everywhere: None, name: str, checked: bool) -> None:
    model, feeds = SMALL[name].make(), SMALL[name].feeds(batch=2)
    target = replace(PLAIN, extensions=("checked",) if checked else ())
    plan = burnish.build(model, shapes=shapes(feeds), target=str(target))
    assert products_in_parts(plan) >= 5
    check(model, plan, feeds)


@pytest.mark.slow
def test_a_profile_in_parts_serves_every_shape_in_it(parts_everywhere: None) -> None:
    architecture = SMALL["bert"]
    model = architecture.make()
    low, best, high = (architecture.feeds(*sizes) for sizes in ((1, 1), (2, 16), (4, 40)))
    profile = {k: (low[k].shape, best[k].shape, high[k].shape) for k in low}
    plan = burnish.build(model, profile=profile, target=f"{PLAIN}+checked")
    assert products_in_parts(plan) >= 5
    for sizes in ((1, 1), (3, 33)):
        check(model, plan, architecture.feeds(*sizes))


@pytest.mark.parametrize("name", SMALL)
def test_networks_by_amx_answer_as_f32(name: str) -> None:
    if lacking := supports(WITH_TILES):
        pytest.skip(f"this machine lacks {', '.join(lacking)}")
    model, feeds = SMALL[name].make(), SMALL[name].feeds(batch=2)
    check(model, burnish.build(model, shapes=shapes(feeds), target=str(WITH_TILES)), feeds)
