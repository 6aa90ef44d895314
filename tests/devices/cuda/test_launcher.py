"""launcher.py: arguments of the manifest with their numbers; graphs are tested where sessions are."""

from __future__ import annotations

from burnish.devices.cuda.driver import Address, Integer, TensorMap
from burnish.devices.cuda.launcher import evaluated
from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.plan.manifest import PointerArgument, ScalarArgument, TensorMapArgument

N = symbol("n")
KEYS = TensorMapArgument(1, N * 64, DType.F16, (2, N, 8), (N * 8, 8, 1), (1, 16, 8), (1, 1, 1), 0)


def test_offsets_and_sizes_are_those_of_the_bound_shapes():
    assert evaluated(PointerArgument(1, N * 4), [0, 4096], {"n": 3}) == Address(4108)
    assert evaluated(ScalarArgument(N * -2, "i64"), [], {"n": 3}) == Integer(-6, 64)
    found = evaluated(KEYS, [0, 4096], {"n": 3})
    assert found == TensorMap(4288, DType.F16, (2, 3, 8), (24, 8, 1), (1, 16, 8), (1, 1, 1), 0)


def test_a_map_of_an_empty_tensor_is_one_that_the_driver_encodes():
    found = evaluated(KEYS, [0, 4096], {"n": 0})
    assert isinstance(found, TensorMap)
    assert (found.shape, found.strides) == ((2, 1, 8), (8, 8, 1)), "no axis of 0; strides of whole 16 bytes"
