"""The ends of channels."""

from __future__ import annotations

import numpy as np

from burnish.doctor.causes.channels import count_places, ends, listed


def test_ends_are_those_of_all_samples_without_what_is_no_number() -> None:
    arrays = [np.array([[1, np.nan], [5, 2]], np.float32), np.array([[-3, 4], [0, np.inf]], np.float32)]
    low, high = ends(arrays, -1)
    assert (low.tolist(), high.tolist()) == ([-3, 2], [5, 4]) and count_places(arrays, -1) == 4
    low, high = ends([np.array(7, np.float32)], -1)
    assert low.tolist() == high.tolist() == [7]


def test_a_list_for_people() -> None:
    assert listed(np.array([3])) == "channel 3"
    assert listed(np.arange(6)) == "channels 0, 1, 2, 3 ..."
