"""chips.py: what a processor holds at a time."""

from __future__ import annotations

import pytest

from burnish.target import ARCHITECTURES, Target
from burnish.targets.cuda.chips import chip_of


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_scarcest_of_threads_registers_and_shared_memory_decides(name: str) -> None:
    chip = chip_of(Target("cuda", name))
    assert chip.resident(1024, 16) == 2  # threads
    assert chip.resident(32, 16) == 32  # programs
    assert chip.resident(256, 128) == 2  # registers: 32,768 of a program
    assert chip.resident(128, 32, chip.shared_bytes // 3) == 3
    assert chip.resident(128, 32, chip.shared_bytes + 1) == 0
