"""Which options make an open loop."""

from __future__ import annotations

from burnish.perf.options import Options


def test_rates_and_intervals_make_an_open_loop_and_nothing_else_does() -> None:
    assert not Options("m", concurrency=(4,)).is_open
    assert Options("m", rates=(100.0,)).is_open
    assert Options("m", intervals_s=(0.1,)).is_open
