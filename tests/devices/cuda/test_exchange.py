"""exchange.py: tensors of a library with DLPack's C functions, played by hand."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from burnish.devices.array import address_of, array_at
from burnish.devices.cuda import exchange as module
from burnish.devices.cuda.exchange import _NAME, _STREAM, _VIEW, _Table, exchange_of
from burnish.devices.null.driver import NullDriver
from burnish.devices.null.processor import null_cuda
from burnish.errors import UserError
from burnish.runtime import load
from tests.devices.cuda.plans import W, in_numpy, small_plan

X = np.linspace(-1, 1, 64, dtype=np.float32)
STREAM = 5


def library(major: int = 1, stream: int = STREAM) -> type:
    """A type of tensors with the C functions; they lie where `device` says."""

    class Tensor:
        def __init__(self, driver: NullDriver, content: np.ndarray, device: tuple[int, int] = (2, 0)) -> None:
            self.address, self.device, self.strides = driver.allocate(content.nbytes), device, (1,)
            ctypes.memmove(self.address, address_of(content), content.nbytes)
            self.content = array_at(self.address, content.dtype, content.shape)

        def __dlpack__(self, **_: object) -> object:
            raise AssertionError("the slow way")

    def view(value: Any, out: Any) -> int:
        tensor = out.contents
        value.keep = (ctypes.c_int64 * 1)(*value.content.shape), (ctypes.c_int64 * 1)(*value.strides)
        tensor.data, (tensor.device_kind, tensor.device_number) = value.address, value.device
        tensor.axes, tensor.code, tensor.bits, tensor.lanes = 1, 2, value.content.itemsize * 8, 1
        tensor.shape, tensor.strides = (ctypes.cast(k, ctypes.POINTER(ctypes.c_int64)) for k in value.keep)
        return 0

    def current(kind: int, number: int, out: Any) -> int:
        out.contents.value = stream
        return 0

    functions = _VIEW(view), _STREAM(current)
    places = [ctypes.cast(f, ctypes.c_void_p).value for f in functions]
    table = _Table(major, 3, None, None, None, None, *places)
    new: Callable[..., Any] = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
        ("PyCapsule_New", ctypes.pythonapi)
    )
    Tensor.__dlpack_c_exchange_api__ = new(ctypes.addressof(table), _NAME, None)  # type: ignore[attr-defined]
    Tensor.keep = functions, table  # type: ignore[attr-defined]
    return Tensor


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_known", {})


def test_a_tensor_is_used_where_it_lies_after_the_stream_its_library_works_on():
    kind = library()
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        x, y = kind(driver, X), kind(driver, np.zeros(64, np.float32))
        for _ in range(3):
            context({"x": x}, out={"y": y})
            assert np.array_equal(y.content, 2 * X + W[:64])
        assert driver.calls.count(("record", STREAM)) == 6
        assert driver.calls.count(("wait_for", context._session._stream)) == 6
        assert not {"copy", "copy_in", "copy_out"} & driver.counts.keys()
        assert driver.held["event"] == 1, "one for all"


def test_no_stream_is_the_legacy_one():
    kind = library(stream=0)
    assert exchange_of(kind).stream((2, 0)) == 1  # type: ignore[union-attr]


def test_a_tensor_that_cannot_be_used_is_refused_and_one_in_host_memory_goes_another_way():
    kind = library()
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        strided = kind(driver, X)
        strided.strides = (2,)
        for tensor, why in ((strided, "strided"), (kind(driver, X, (2, 1)), "cuda:1")):
            with pytest.raises(UserError, match="E507") as caught:
                context(x=tensor)
            assert why in caught.value.why
        with pytest.raises(AssertionError, match="the slow way"):
            context(x=kind(driver, X, (1, 0)))


def test_a_library_of_another_version_or_without_the_functions_goes_the_slow_way():
    assert exchange_of(library(major=2)) is None
    assert exchange_of(np.ndarray) is None
    assert exchange_of(type("Odd", (), {"__dlpack_c_exchange_api__": 3})) is None
