"""contents.py: what a trial's tensors hold does no harm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx.parser
import pytest

from burnish.building.analyze import analyze
from burnish.devices.cpu.device import Cpu
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import RecurrentTask
from burnish.runtime import load
from burnish.tune.fill_inputs import Contents, index_range
from burnish.tune.look_up import schedules_of
from burnish.tune.task import Task, tasks_of
from burnish.tune.trial import make_trial
from tests.tune.programs import V3, results

GATHER = "g (float[9,7] x, int64[5] i) => (float[5,7] y) { g = Gather <axis = 0> (x, i) y = Relu (g) }"
LSTM = """l (float[6,2,4] x, float[1,12,4] w, float[1,12,3] r, float[1,24] b, int32[2] n) => (float[6,1,2,3] y) {
    y = LSTM <hidden_size = 3> (x, w, r, b, n) }"""
SCATTER = """s (float[9,7] x, int64[5,7] i, float[5,7] u) => (float[9,7] y) { y = ScatterElements (x, i, u) }"""


def tasks(text: str) -> tuple[object, list[Task]]:
    parsed = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> {text}')
    found = analyze(parsed).program
    return found, tasks_of(found)


def test_floats_are_small_and_positive() -> None:
    _, (task, *_) = tasks(GATHER)
    slot = next(n for n, s in enumerate(task.kernel.slots) if s.dtype.is_float)
    values = Contents().of(task.kernel, slot, 4000, {}).view(np.float32)
    assert values.shape == (1000,)
    assert values.min() >= 1 / 16 and values.max() <= 1 and len(set(values.tolist())) > 900


def test_floats_of_one_type_are_drawn_once_and_differ_from_slot_to_slot() -> None:
    _, (task, *_) = tasks("a (float[9,7] x, float[9,7] z) => (float[9,7] y) { y = Add (x, z) }")
    contents = Contents()
    small, other, large = (
        contents.of(task.kernel, slot, size, {}) for slot, size in ((0, 400), (1, 400), (0, 9_000_000))
    )
    assert np.array_equal(large[:400], small) and not np.array_equal(other, small)
    assert np.shares_memory(large, contents.of(task.kernel, 1, 800, {}))
    assert len(np.unique(large.view(np.float32))) > 900_000


def test_weights_with_zeros_have_as_many_in_a_trial() -> None:
    _, (task, *_) = tasks("a (float[9,7] x, float[9,7] z) => (float[9,7] y) { y = Add (x, z) }")
    first, *others = task.kernel.slots
    kernel = replace(task.kernel, slots=(replace(first, zeros=12), *others))
    contents = Contents()
    thin, whole = (contents.of(k, 0, 40_000, {}).view(np.float32) for k in (kernel, task.kernel))
    assert abs(np.mean(thin == 0) - 12 / 16) < 0.02 and whole.min() > 0
    assert np.array_equal(thin[thin != 0], whole[thin != 0])


def test_indices_lie_within_what_they_index() -> None:
    _, (task, *_) = tasks(GATHER)
    slot = next(n for n, s in enumerate(task.kernel.slots) if s.dtype.is_integer)
    assert index_range(task.kernel, slot, {}) == (0, 9)
    assert set(Contents().of(task.kernel, slot, 8000, {}).view(np.int64).tolist()) == set(range(9))


def test_lengths_are_the_whole_time() -> None:
    _, found = tasks(LSTM)
    (task,) = (t for t in found if isinstance(t.kernel, RecurrentTask))
    slot = next(n for n, s in enumerate(task.kernel.slots) if s.dtype.is_integer)
    assert Contents().of(task.kernel, slot, 8, {}).view(np.int32).tolist() == [6, 6]


@pytest.mark.parametrize("text", [GATHER, LSTM, SCATTER], ids=["gather", "lstm", "scatter"])
def test_kernels_of_every_kind_run_as_trials(text: str) -> None:
    program, found = tasks(text)
    for task in found:
        trial = make_trial(program, task, V3)
        schedule = next(iter(schedules_of(task, V3).values()))
        with load(trial.plan(schedule, V3), threads=1, device=Cpu()) as engine:
            out = {name: array.copy() for name, array in trial.outputs.items()}
            assert all(np.isfinite(a.astype(np.float64)).all() for a in results(trial, engine(trial.inputs, out=out)))


def test_an_answer_that_outputs_held_before_is_not_compared_and_the_rest_is() -> None:
    program, (task,) = tasks(GATHER)
    trial = make_trial(program, task, V3)
    assert trial.is_comparable
    launch = task.launches[0]
    in_place = replace(launch, bindings=(launch.bindings[0], launch.bindings[2], launch.bindings[2]))
    assert not replace(trial, task=replace(task, launches=(in_place,))).is_comparable
    wider = replace(task.kernel, slots=(*task.kernel.slots[:2], Slot(DType.F32, (6, 7), (7, 1))))
    assert not replace(trial, task=replace(task, launches=(replace(launch, kernel=wider),))).is_comparable
