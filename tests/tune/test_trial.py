"""trial.py: a task's launch alone computes what it computes in the network."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.devices.cpu.device import Cpu
from burnish.dims import evaluate
from burnish.runtime import load
from burnish.target import parse_target
from burnish.targets import hardware_of
from burnish.tune.compare_answers import difference
from burnish.tune.look_up import schedules_of
from burnish.tune.task import tasks_of
from burnish.tune.trial import make_trial
from tests.tune.programs import V3, batches, program, results

PROGRAM = program(batches(1, 4, 9))
TASKS = tasks_of(PROGRAM)


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.summary)
def test_every_schedule_of_every_task_gives_the_same_answer(task) -> None:
    trial = make_trial(PROGRAM, task, V3)
    answers = []
    for schedule in list(schedules_of(task, V3).values())[:4]:
        with load(trial.plan(schedule, V3), threads=2, device=Cpu()) as engine:
            out = {name: array.copy() for name, array in trial.outputs.items()}
            answers.append(results(trial, engine(trial.inputs, out=out)))
    assert max(difference(answer, answers[0]) for answer in answers) <= 1
    assert all(np.isfinite(a).all() and a.any() for a in answers[0])


def test_a_product_gives_what_numpy_gives() -> None:
    """Also an independent look at `results` and at the constants of the last repeat."""
    task = next(t for t in TASKS if t.summary == "contraction f32 4 by 40 sum 2048")
    trial = make_trial(PROGRAM, task, V3)
    schedule = next(iter(schedules_of(task, V3).values()))
    with load(trial.plan(schedule, V3), threads=1, device=Cpu()) as engine:
        (found,) = results(trial, engine(trial.inputs))
    (x,) = (a.view(np.float32) for a in trial.inputs.values())
    kernel = task.kernel
    last = trial.program.steps[-1].bindings
    weights = trial.program.constants[last[1].storage].reshape(2048, 40).astype(np.float64)
    assert dict(kernel.a_strides)[kernel.reduce[0]] == 1
    expected = x.reshape(4, -1)[:, :2048].astype(np.float64) @ weights
    np.testing.assert_allclose(found.reshape(4, 40), expected, rtol=1e-4)


def test_large_constants_differ_from_repeat_to_repeat_and_small_ones_do_not() -> None:
    task = next(t for t in TASKS if t.summary.endswith("sum 2048"))
    trial = make_trial(PROGRAM, task, V3)
    large = [c for c in trial.program.constants.values() if c.nbytes > 100_000]
    assert len(large) == trial.repeats
    assert len({c.tobytes() for c in large}) == trial.repeats
    conv = make_trial(PROGRAM, next(t for t in TASKS if t.summary.endswith("3x3x3")), V3)
    assert len(conv.program.constants) <= len(conv.task.kernel.slots)


def test_repeats_touch_enough_memory_and_stay_in_bounds() -> None:
    rotation = hardware_of(V3).rotation
    for task in TASKS:
        trial = make_trial(PROGRAM, task, V3)
        assert rotation.fewest <= trial.repeats <= rotation.most


def test_a_trial_is_the_same_every_time() -> None:
    first, second = (make_trial(PROGRAM, TASKS[0], V3) for _ in range(2))
    schedule = next(iter(schedules_of(TASKS[0], V3).values()))
    assert first.plan(schedule, V3).to_bytes() == second.plan(schedule, V3).to_bytes()
    assert all(np.array_equal(first.inputs[n], second.inputs[n]) for n in first.inputs)


def test_where_constants_are_uploaded_repeats_have_storages_of_their_own_for_the_same_bytes() -> None:
    pytest.importorskip("triton")
    target = parse_target("cuda:sm_90a")
    task = next(t for t in TASKS if t.summary.endswith("sum 2048"))
    trial = make_trial(PROGRAM, task, target)
    plan = trial.plan(next(iter(schedules_of(task, target).values())), target)
    (variant,) = plan.manifest.variants
    assert len(variant.steps) == trial.repeats > 1
    large = [s for s in variant.storages if s.kind == "constant" and evaluate(s.size, {}) > 100_000]
    assert len({s.number for s in large}) == len({s.blob for s in large}) == trial.repeats
    assert len({id(plan.blobs[s.blob]) for s in large}) == 1
    read = [{getattr(a, "storage", None) for a in step.arguments} & {s.number for s in large} for step in variant.steps]
    assert all(len(numbers) == 1 for numbers in read) and len(set.union(*read)) == trial.repeats
    assert [s.number for s in variant.storages] == list(range(len(variant.storages)))
