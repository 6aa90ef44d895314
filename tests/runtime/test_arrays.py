"""arrays.py: no copy where none is needed, one where the array is strided, DLPack included."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from burnish.devices import array as arrays_module
from burnish.devices.array import address_of
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.plan.manifest import TensorSpec
from burnish.runtime.arrays import accept_input

F32 = TensorSpec("x", DType.F32, (2, 3), 0)


class Speaks:
    """A tensor of some other library."""

    def __init__(self, array: np.ndarray, fails: Exception | None = None) -> None:
        self.array, self.fails = array, fails

    def __dlpack__(self, **options: object) -> object:
        if self.fails:
            raise self.fails
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def test_a_dense_array_is_taken_as_it_is():
    array = np.zeros((2, 3), np.float32)
    assert accept_input(array, F32) is array


def test_a_read_only_array_is_taken_as_it_is():
    array = np.frombuffer(bytes(24), np.float32).reshape(2, 3)
    assert accept_input(array, F32) is array


@pytest.mark.parametrize("strided", [np.ones((3, 2), np.float32).T, np.ones((2, 6), np.float32)[:, ::2]])
def test_a_strided_array_is_copied_once(strided: np.ndarray):
    taken = accept_input(strided, F32)
    assert taken.flags.c_contiguous and not np.shares_memory(taken, strided)
    assert np.array_equal(taken, strided)


def test_an_unaligned_array_is_copied():
    raw = np.zeros(25, np.uint8)[1:].view(np.float32)
    taken = accept_input(raw.reshape(2, 3), F32)
    assert taken.flags.aligned and not np.shares_memory(taken, raw)


def test_the_address_is_the_one_numpy_gives(monkeypatch: pytest.MonkeyPatch):
    arrays = [np.zeros((3, 4)), np.zeros(0), np.zeros(()), np.arange(10)[3:], np.frombuffer(bytes(8), np.uint8)]
    assert [address_of(a) for a in arrays] == [a.ctypes.data for a in arrays]
    monkeypatch.setattr(arrays_module, "_is_pointer_first", lambda: False)
    assert [address_of(a) for a in arrays] == [a.ctypes.data for a in arrays]


def test_dlpack_shares_memory():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.shares_memory(accept_input(Speaks(array), F32), array)


def test_a_torch_tensor_shares_memory():
    torch = pytest.importorskip("torch")
    tensor = torch.ones(2, 3)
    assert accept_input(tensor, F32).ctypes.data == tensor.data_ptr()


def test_a_numpy_scalar_is_an_array_of_rank_0():
    assert accept_input(np.float32(2), TensorSpec("x", DType.F32, (), 0)).shape == ()


def test_half_precision_is_numpys_and_ml_dtypes():
    spec = TensorSpec("x", DType.BF16, (1,), 0)
    assert accept_input(np.ones(1, ml_dtypes.bfloat16), spec).dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("value", [3.0, [1.0], None, "x", Speaks(np.zeros(1), BufferError("it lies on a gpu"))])
def test_what_numpy_cannot_reach_is_refused(value: object):
    with pytest.raises(UserError, match="E507"):
        accept_input(value, F32)
