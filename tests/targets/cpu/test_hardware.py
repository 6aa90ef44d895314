"""cpu/hardware.py: the host sees a CPU's memory, and no level says how fast a processor is."""

from __future__ import annotations

from burnish.targets.cpu.hardware import HARDWARE


def test_nothing_crosses_a_link_and_no_peak_is_claimed() -> None:
    assert HARDWARE.link is None and HARDWARE.peaks is None


def test_constants_of_repeats_must_differ_where_equal_bytes_would_be_one() -> None:
    assert not HARDWARE.rotation.are_uploaded
