"""The way to a GPU plan without a GPU: candidates compiled together, launched on a driver that pretends, replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

import burnish
from burnish.building.analyze import analyze
from burnish.devices.null.processor import null_cuda
from burnish.target import parse_target
from burnish.targets import compiler_of
from burnish.tune import Search, TimingCache, Tuner, make_measure, tasks_of, tune
from burnish.tune.look_up import schedules_of
from tests.tune.programs import net, texts

pytest.importorskip("triton")
SM_90A = parse_target("cuda:sm_90a")
H200 = "NVIDIA H200, 132 multiprocessors"
SHAPES = {"x": (2, 3, 16, 16)}


@pytest.fixture(scope="module")
def program():
    return analyze(net(), shapes=SHAPES, abilities=compiler_of(SM_90A).abilities).program


def test_candidates_run_in_graphs_and_what_ties_is_the_cost_models(program) -> None:
    device, driver = null_cuda()
    cache = TimingCache()
    lines: list[str] = []
    found = tune(program, SM_90A, H200, cache, Search(make_measure(device), level=1, explain=lines.append))
    choices = [t for t in tasks_of(program) if len(schedules_of(t, SM_90A)) > 1]
    assert choices and not found.notes
    assert texts(found.schedules) == {t.kernel.key: next(iter(schedules_of(t, SM_90A))) for t in choices}
    assert {e.key.device for e in cache} == {H200}
    assert lines[0].startswith("compiling 6 candidates of 3 tasks")
    assert any(name == "end_capture" for name, *_ in driver.calls)


def test_a_plan_from_the_cache_needs_no_gpu_and_is_always_the_same(program, tmp_path: Path) -> None:
    path = tmp_path / "h200.cache"
    tuner = Tuner.of(lambda line: None, timing_cache=path, opt_level=1)
    tuner.measure, tuner.device = lambda target: make_measure(null_cuda()[0]), H200
    tuner.choose(program, SM_90A)
    options = {"shapes": SHAPES, "target": "cuda:sm_90a", "timing_cache": path}
    plans = [burnish.build(net(), **options, **more) for more in ({}, {"locked": True}, {"opt_level": 3})]
    assert len({p.to_bytes() for p in plans}) == 1


def test_candidates_of_a_device_that_failed_once_are_asked_one_by_one(program) -> None:
    device, driver = null_cuda(faults={"allocate": 2})
    cache = TimingCache()
    found = tune(program, SM_90A, H200, cache, Search(make_measure(device), level=1))
    assert driver.counts["allocate"] > 2
    assert (found.notes, found.missing) == ([], [])
    assert len(found.schedules) == len(cache) == len(tasks_of(program))
