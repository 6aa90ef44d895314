"""Two processes that share the tests must collect the same ones: a name that holds the time breaks the run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def collect(seed: str) -> subprocess.Popen[str]:
    options = ["--collect-only", "-o", "addopts=-q --import-mode=importlib"]
    command = [sys.executable, "-m", "pytest", *options, "tests"]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_the_names_of_the_tests_depend_neither_on_the_second_nor_on_the_hash_seed() -> None:
    first = collect("1")
    time.sleep(1.1)  # gzip writes the time in seconds into its head
    second = collect("2")
    names, others = first.communicate()[0].splitlines(), second.communicate()[0].splitlines()
    assert len(names) > 10_000
    assert [name for name in set(names) ^ set(others) if "::" in name] == []
