"""A constant B as schedules want it."""

from __future__ import annotations

import numpy as np

from burnish.targets.cuda.contraction.pack import pack
from burnish.targets.cuda.contraction.tile import Tile
from tests.targets.cuda.contraction_tasks import convolution, matmul


def test_columns_become_rows_padded_to_whole_tiles_and_steps():
    kernel = matmul(8, 3, 5)
    b = np.arange(15, dtype=np.float16).reshape(5, 3)
    packed = pack(kernel, Tile("load", 16, 16, 16).schedule, 1, b)
    assert packed.shape == (1, 16, 16)
    np.testing.assert_array_equal(packed[0, :3, :5], b.T)
    assert not packed[0, 3:].any() and not packed[0, :, 5:].any()


def test_copied_columns_are_not_padded():
    b = np.ones((5, 3), np.float16)
    assert pack(matmul(8, 3, 5), Tile("copy", 16, 16, 16).schedule, 1, b).shape == (1, 3, 16)


def test_each_taps_channels_are_padded_to_whole_steps():
    kernel = convolution(1, 20, (4, 4), 3, (3, 3), pads=(1, 1))
    b = np.arange(9 * 20 * 3, dtype=np.float16).reshape(3, 3, 20, 3)
    packed = pack(kernel, Tile("copy", 16, 16, 16, box=(4, 4)).schedule, 1, b).reshape(3, 9, 32)
    np.testing.assert_array_equal(packed[:, :, :20], b.reshape(9, 20, 3).transpose(2, 0, 1))
    assert not packed[:, :, 20:].any()


def test_flat_steps_are_padded_at_the_end_only():
    kernel = convolution(1, 3, (4, 4), 3, (3, 3), pads=(1, 1))
    b = np.arange(81, dtype=np.float16).reshape(3, 3, 3, 3)
    packed = pack(kernel, Tile("load", 16, 16, 16, flat=True).schedule, 1, b)
    assert packed.shape == (1, 16, 32)
    np.testing.assert_array_equal(packed[0, :3, :27], b.reshape(27, 3).T)


def test_other_slots_stay_as_they_are():
    bias = np.ones(3, np.float32)
    assert pack(matmul(8, 3, 5, bias=True), Tile("load", 16, 16, 16).schedule, 3, bias) is bias
