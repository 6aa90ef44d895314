"""NonMaxSuppression with left-out inputs, Unique of rows, OneHot of fractions, MaxRoiPool."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.reference.selection import gather_elements, one_hot

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("name", ["non_max_suppression", "unique", "max_roi_pool", "gather_elements"])
def test_what_is_chosen_is_what_onnxruntime_chooses(name: str, seed: int):
    assert_evaluator(name, seed)


def test_an_index_that_is_no_integer_is_cut_and_one_out_of_range_is_off():
    indices = np.array([0.9, -1.0, 2.5, 3.0, -4.0], np.float32)
    got = one_hot(indices, np.array(3), np.array([0, 1]))
    assert got.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_an_index_outside_the_axis_is_an_error():
    with pytest.raises(IndexError, match="from -4 to 0 on an axis of 3"):
        gather_elements(np.arange(3), np.array([0, -4]))
