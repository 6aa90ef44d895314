"""spread.py: how long a launch takes whose programs do not fill a chip evenly."""

from __future__ import annotations

import pytest

from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.spread import Spread

H200 = chip_of(Target("cuda", "sm_90a"))  # 132 processors


def test_one_program_more_than_processors_takes_as_long_as_two_each() -> None:
    assert Spread(H200, 132).uneven == 1.0
    assert Spread(H200, 133).uneven == pytest.approx(2 * 132 / 133)
    assert Spread(H200, 40).uneven == 1.0 and Spread(H200, 40).busy == 40
    assert Spread(H200, 9 * 132 + 1).uneven == 1.0 and Spread(H200, 9 * 132 + 1).busy == 132


def test_the_longest_part_hides_the_others_but_for_a_share() -> None:
    start = H200.launch_us + H200.first_us
    assert Spread(H200, 132).microseconds((3.0, 1.0, 1.0), 0.1) == pytest.approx(start + 3.2)


def test_very_many_programs_take_the_time_to_start_them() -> None:
    spread = Spread(H200, 132 * 1000)
    assert spread.microseconds((3.0,), 0.1) == pytest.approx(H200.launch_us + H200.first_us + 1000 * H200.dispatch_us)
