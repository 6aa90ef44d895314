"""task.py: which work there is to tune, and what it is called."""

from __future__ import annotations

import re
import subprocess
import sys

from burnish.kernels.task import DIGEST_DIGITS, each_launch
from burnish.tune.task import tasks_of
from tests.tune.programs import batches, program


def test_every_distinct_kernel_is_one_task() -> None:
    found = program()
    tasks = tasks_of(found)
    keys = [launch.kernel.key for launch in each_launch(found.steps)]
    assert [t.kernel.key for t in tasks] == list(dict.fromkeys(keys))
    assert sum(len(t.launches) for t in tasks) == len(keys)
    assert {n for t in tasks for n in t.nodes}


def test_a_task_holds_the_usual_size_of_each_symbol_it_knows() -> None:
    assert {t.sizes for t in tasks_of(program())} == {()}
    assert {t.sizes for t in tasks_of(program(batches(1, 4, 9)))} == {(("n", 4),)}


def test_the_digest_is_of_the_kernel_and_not_of_the_sizes() -> None:
    usual, other = (tasks_of(program(batches(1, n, 9))) for n in (4, 5))
    assert [t.digest for t in usual] == [t.digest for t in other]
    assert [t.sizes for t in usual] != [t.sizes for t in other]
    assert all(re.fullmatch(f"[0-9a-f]{{{DIGEST_DIGITS}}}", t.digest) for t in usual)


def test_digests_are_the_same_in_another_process() -> None:
    source = "from tests.tune.programs import *; from burnish.tune.task import tasks_of\n"
    source += "print(*(t.digest for t in tasks_of(program(batches(1, 4, 9)))))"
    found = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [t.digest for t in tasks_of(program(batches(1, 4, 9)))]


def test_summaries_say_the_extents() -> None:
    summaries = [t.summary for t in tasks_of(program(batches(1, 4, 9)))]
    assert "contraction f32 4x16x16 by 8 sum 3x3x3" in summaries
    assert "contraction f32 4 by 40 sum 2048" in summaries
    assert any(re.match(r"loops f32 .* max 40", s) for s in summaries)
