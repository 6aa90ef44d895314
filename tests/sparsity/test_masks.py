"""masks.py: which weights stay, and what counts as zero."""

from __future__ import annotations

import numpy as np

from burnish.sparsity.masks import largest, share_of_blocks, share_of_groups, two_of_four, zero_rows


def test_two_of_each_four_stay_and_of_equal_ones_the_first():
    importance = np.array([[1.0, 4, 3, 2, 5, 5, 5, 5], [0, 0, 0, 0, 9, 1, 8, 2]])
    wanted = [[0, 1, 1, 0, 1, 1, 0, 0], [1, 1, 0, 0, 1, 0, 1, 0]]
    assert np.array_equal(two_of_four(importance, 0), np.array(wanted, bool))


def test_the_share_holds_over_the_parts_of_a_row():
    importance = np.random.default_rng(0).random((3, 20))
    stays = [largest(importance[:, first : first + 4], 0.3, first) for first in range(0, 20, 4)]
    assert np.array_equal(np.concatenate(stays, 1).sum(1), [14, 14, 14])
    assert np.array_equal(np.sort(importance[0])[:6], np.sort(importance[0][~largest(importance, 0.3)[0]]))


def test_groups_are_of_inputs_and_blocks_of_outputs():
    weights = np.ones((32, 8, 3))
    weights[:, :2] = 0
    assert share_of_groups(weights) == 0.5 and share_of_groups(weights[:, :6]) is None
    assert share_of_blocks(weights) == 0.25 and share_of_blocks(weights[:15]) == 0
    assert zero_rows(weights, 1) == 2 and zero_rows(weights, 0) == 0
