"""cpu/device.py: what the processor says of itself, and copies for callers."""

from __future__ import annotations

import numpy as np

from burnish.devices.cpu.device import Cpu
from burnish.devices.cpu.processor import core_count
from burnish.target import parse_target


def test_the_processor_lacks_a_gpu_and_nothing_of_its_oldest_level():
    assert Cpu().missing(parse_target("cpu:x86-64-v2")) == []
    assert Cpu().missing(parse_target("cuda:sm_90a"))


def test_two_callers_at_least_are_worth_having_and_more_on_spare_cores():
    assert Cpu().callers(1) == max(2, core_count())
    assert Cpu().callers(10_000) == 2


def test_an_upload_is_a_copy():
    array = np.arange(4.0)
    uploaded = Cpu().upload(array)
    array[:] = 0
    assert uploaded.tolist() == [0, 1, 2, 3]
