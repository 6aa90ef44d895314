"""hardware.py: every target states its facts, and whoever asks for them alone pays for no code generator."""

from __future__ import annotations

import subprocess
import sys

import pytest

from burnish.target import ARCHITECTURES, LEVELS, Target
from burnish.targets import hardware_of

GPUS = [Target("cuda", a) for a in ARCHITECTURES]
CPUS = [Target("cpu", level) for level in LEVELS]


@pytest.mark.parametrize("target", [*GPUS, *CPUS], ids=str)
def test_repeats_of_a_measurement_are_bounded(target: Target) -> None:
    rotation = hardware_of(target).rotation
    assert 1 < rotation.fewest <= rotation.most and rotation.bytes >= 1 << 20


@pytest.mark.parametrize("target", GPUS, ids=str)
def test_a_gpu_has_a_link_far_slower_than_its_memory(target: Target) -> None:
    facts = hardware_of(target)
    assert facts.link is not None and facts.peaks is not None
    assert 10 * facts.link.bytes_per_us < facts.peaks.bytes_per_us < facts.peaks.flop_per_us


def test_the_facts_import_no_code_generator() -> None:
    code = (
        "import sys; from burnish.target import Target; from burnish.targets import hardware_of; "
        "[hardware_of(Target(*t)) for t in (('cpu', 'x86-64-v3'), ('cuda', 'sm_90a'))]; "
        "print({'llvmlite', 'triton', 'onnx'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
