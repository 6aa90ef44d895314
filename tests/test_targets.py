"""The way to a target's compiler: typed, and no code generator is imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from burnish.target import parse_target
from burnish.targets import compiler_of


def test_importing_targets_imports_no_code_generator() -> None:
    source = "import sys, burnish.targets; print(sorted({'llvmlite', 'triton'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_target_has_the_compiler_of_its_kind() -> None:
    assert compiler_of(parse_target("cpu:x86-64-v4+bf16")).abilities.bf16_products
    assert not compiler_of(parse_target("cpu:x86-64-v4")).abilities.bf16_products
    pytest.importorskip("triton")
    gpu = compiler_of(parse_target("cuda:sm_90a")).abilities
    assert gpu.computes_half and not gpu.host_memory


def test_only_a_compiler_that_is_slower_than_a_measurement_works_ahead() -> None:
    assert compiler_of(parse_target("cpu:x86-64-v3")).compile_ahead() is None
    pytest.importorskip("triton")
    ahead = compiler_of(parse_target("cuda:sm_90a")).compile_ahead()
    assert ahead is not None
    with ahead:
        pass
