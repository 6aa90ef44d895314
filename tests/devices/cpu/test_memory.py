"""cpu/memory.py: memory is zeroed and aligned; constants are used where they lie."""

from __future__ import annotations

import gc

import ml_dtypes
import numpy as np
import pytest

from burnish.devices.cpu.memory import allocate, constant
from burnish.errors import EnvironmentProblem


@pytest.mark.parametrize("size", [1, 100, 4096, 5 << 20])
def test_memory_is_zeroed_and_aligned(size: int):
    memory = allocate(size)
    assert memory.address % 64 == 0
    content = memory.array(np.uint8, (size,))
    assert not content.any()
    content[:] = 1
    memory.zero(size)
    assert not content.any()


def test_a_view_keeps_its_memory_alive():
    view = allocate(5 << 20).array(np.float32, (1000,))
    gc.collect()
    view[:] = 3
    assert view.sum() == 3000


@pytest.mark.parametrize("dtype", [np.float32, np.bool_, ml_dtypes.bfloat16, np.int64])
def test_views_have_any_dtype_and_may_be_empty(dtype: type):
    memory = allocate(64)
    assert memory.array(dtype, (2, 3)).shape == (2, 3)
    assert memory.array(dtype, (0, 3)).shape == (0, 3)


def test_an_aligned_constant_is_used_in_place_and_another_is_copied():
    space = np.arange(200, dtype=np.uint8)
    skip = -space.ctypes.data % 64
    assert constant(space[skip : skip + 64].data).address == space.ctypes.data + skip
    moved = constant(space[skip + 1 : skip + 65].data)
    assert moved.address % 64 == 0
    assert np.array_equal(moved.array(np.uint8, (64,)), space[skip + 1 : skip + 65])
    assert constant(b"").address


def test_too_much_memory_is_refused():
    with pytest.raises(EnvironmentProblem, match="E520"):
        allocate(1 << 60)
