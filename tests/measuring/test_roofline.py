"""roofline.py: what a launch could take at best."""

from __future__ import annotations

import pytest

from burnish.measuring.roofline import limit_ms
from burnish.target import ARCHITECTURES, Target


def test_the_slower_of_work_and_memory_is_the_limit():
    target = Target("cuda", "sm_90a")  # 781 TFLOP/s, 4.25 TB/s
    assert limit_ms(target, 781e9, 0) == pytest.approx(1.0, rel=0.01)
    assert limit_ms(target, 0, 4.25e9) == pytest.approx(1.0, rel=0.01)
    assert limit_ms(target, 781e9, 42.5e9) == pytest.approx(10.0, rel=0.01)


def test_every_gpu_has_one_and_no_cpu():
    assert all((limit_ms(Target("cuda", a), 1e9, 1e6) or 0) > 0 for a in ARCHITECTURES)
    assert limit_ms(Target("cpu", "x86-64-v4"), 1e9, 1e6) is None
