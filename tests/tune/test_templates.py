"""Templates that are tuned: the order of their schedules is the same in any process, and each has a text of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from burnish.building.analyze import analyze
from burnish.kernels.task import Program
from burnish.target import parse_target
from burnish.targets import compiler_of
from burnish.tune.look_up import schedules_of
from burnish.tune.task import tasks_of
from tests.tune.programs import batches, net

TARGETS = ("cpu:x86-64-v2", "cpu:x86-64-v4", "cuda:sm_80", "cuda:sm_90a")


def programs(target_name: str) -> list[Program]:
    """A small network of convolution, product and softmax for a range of batches."""
    abilities = compiler_of(parse_target(target_name)).abilities
    return [analyze(net(), profile={"x": batches(1, 4, 9)}, abilities=abilities).program]


def offered(target_name: str) -> list[str]:
    """Every task's schedules, a line each, in order."""
    target = parse_target(target_name)
    return [f"{task.digest} {list(schedules_of(task, target))}" for p in programs(target_name) for task in tasks_of(p)]


def test_schedules_have_the_same_order_whatever_the_process_hashes_to() -> None:
    source = "from tests.tune.test_templates import *\nfor t in TARGETS: print(*offered(t), sep='\\n')"
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout)
    assert len(outputs) == 1


@pytest.mark.parametrize("name", TARGETS)
def test_different_schedules_have_different_texts(name: str) -> None:
    target = parse_target(name)
    for p in programs(name):
        for task in tasks_of(p):
            found = compiler_of(target).schedules(task.kernel, dict(task.sizes))
            assert len({str(s) for s in found}) == len(set(found))
