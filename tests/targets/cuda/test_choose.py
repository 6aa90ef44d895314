"""choose.py: what has no kernel is refused by name; a tactic that needs too much workspace gives way."""

from __future__ import annotations

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.kernels.slot import Slot
from burnish.kernels.task import AttentionTask, Binding, Launch, Program, Storage
from burnish.target import parse_target
from burnish.targets.cuda.choose import MOST_WORKSPACE, choose
from burnish.targets.cuda.source import Workspace
from burnish.targets.cuda.templates import schedules_of
from tests.targets.cuda.contraction_tasks import matmul

TARGET = parse_target("cuda:sm_90a")


def test_a_kernel_that_no_schedule_fits_is_refused_by_name():
    part = Slot(DType.F32, (1, 1, 4, 512), (2048, 2048, 512, 1))
    kernel = AttentionTask((part,) * 4, 0.1, causal=False, masked=False)
    launch = Launch(kernel, tuple(Binding(n) for n in range(4)), (3,), "middle", ("/middle/Softmax",))
    storages = tuple(Storage(n, "output" if n == 3 else "input", 8192) for n in range(4))
    with pytest.raises(UserError) as caught:
        choose(Program({}, (), (), storages, {}, (launch,)), TARGET, {}, print)
    assert caught.value.code == "E213"
    assert "AttentionTask has no kernel for cuda:sm_90a" in caught.value.what
    assert "/middle/Softmax" in caught.value.where


def product(most: int, workspace: int | None = None) -> Program:
    """A long sum for one row of pixels, which is split; at the profile's maximum there are `most` times as many."""
    kernel = matmul(symbol("n") * 49, 512, 4608, packed=False)
    storages = tuple(Storage(i, "output" if i == 2 else "input", symbol("n") * 49 * 4608 * 4) for i in range(3))
    launch = Launch(kernel, tuple(Binding(i) for i in range(3)), (2,), "product", ("/product",))
    return Program({"n": (1, 1, most)}, (), (), storages, {}, (launch,), workspace=workspace)


def needs_workspace(program: Program, tactics=None, notes=None) -> bool:
    (chosen,) = choose(program, TARGET, tactics or {}, [].append if notes is None else notes.append).values()
    return any(isinstance(p, Workspace) for p in chosen.source.parameters)


def test_a_sum_is_not_split_where_the_largest_sizes_would_take_much_workspace():
    assert MOST_WORKSPACE < 1000 * 49 * 512 * 4
    assert needs_workspace(product(1)) and not needs_workspace(product(1000))


def test_a_tactic_past_the_builds_limit_gives_way_with_a_note():
    program, notes = product(1, workspace=0), []
    assert not needs_workspace(program, notes=notes)
    (line,) = notes
    assert line.startswith("'product' does without contraction") and line.endswith("and the workspace is 0")


def test_a_tactic_is_taken_before_the_cost_models_favourite():
    program = product(1)
    (launch,) = program.steps
    tactic = schedules_of(launch.kernel, TARGET, program.sizes)[-1]
    (chosen,) = choose(program, TARGET, {launch.kernel.key: tactic}, print).values()
    assert chosen.schedule == tactic
