"""array.py, dlpack.py: tensors in GPU memory, taken and given without copies; foreign libraries are played by hand."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from burnish.devices.array import address_of, array_at
from burnish.devices.cuda import DeviceArray, dlpack
from burnish.devices.null.driver import NullDriver
from burnish.devices.null.processor import null_cuda
from burnish.errors import UserError
from burnish.runtime import Context, load
from tests.devices.cuda.plans import W, in_numpy, small_plan

X = np.linspace(-1, 1, 64, dtype=np.float32)
Y = 2 * X + W[:64]


class Tensor:
    """Of another library, in memory of the (pretended) GPU; `speaks` one of the two protocols."""

    def __init__(self, driver: NullDriver, content: np.ndarray, speaks: str = "dlpack", **changes: Any) -> None:
        self.address = driver.allocate(content.nbytes + 64) + changes.pop("shift", 0)
        ctypes.memmove(self.address, address_of(content), content.nbytes)
        self.content = array_at(self.address, content.dtype, content.shape)
        self.array = DeviceArray(driver, self.address, content.dtype, content.shape, None)
        self.asked: list[object] = []
        if speaks == "dlpack":
            self.__dlpack__, self.device = self._dlpack, changes.get("device", (2, 0))
        else:
            place = (self.address, changes.pop("read_only", False))
            interface = {"shape": content.shape, "typestr": content.dtype.str, "data": place, "version": 3}
            self.__cuda_array_interface__ = interface | changes

    def __getattr__(self, name: str) -> Any:
        if name == "__dlpack_device__" and "device" in self.__dict__:
            return lambda: self.device
        raise AttributeError(name)

    def _dlpack(self, *, stream: int | None = None) -> object:
        self.asked.append(stream)
        return self.array.__dlpack__(stream=stream)


@pytest.fixture
def driver() -> NullDriver:
    return null_cuda(on_launch=in_numpy)[1]


@pytest.fixture
def context(driver: NullDriver):
    from burnish.devices.cuda import Cuda

    with load(small_plan(), device=Cuda(driver=driver)) as engine, engine.create_context() as context:
        yield context


@pytest.mark.parametrize("speaks", ["dlpack", "interface"])
def test_a_tensor_on_the_gpu_is_read_and_written_where_it_lies(context: Context, driver: NullDriver, speaks: str):
    x, y = Tensor(driver, X, speaks), Tensor(driver, np.zeros(64, np.float32), speaks)
    for _ in range(3):
        y.content[:] = 0
        context({"x": x}, out={"y": y})
        assert np.array_equal(y.content, Y)
    assert not {"copy", "copy_in", "copy_out"} & driver.counts.keys()
    assert driver.counts["launch_graph"] == 2


def test_a_dlpack_producer_is_told_which_stream_reads(context: Context, driver: NullDriver):
    x = Tensor(driver, X)
    context(x=x)
    assert x.asked == [context._session._stream]


def test_the_interfaces_stream_is_waited_for(context: Context, driver: NullDriver):
    context(x=Tensor(driver, X, "interface", stream=7))
    assert ("record", 7) in driver.calls
    assert ("wait_for", context._session._stream) in driver.calls


def test_a_result_can_stay_on_the_gpu_and_is_the_callers_own(context: Context, driver: NullDriver):
    first = context({"x": X}, on_device=True)["y"]
    second = context({"x": -X}, on_device=True)["y"]
    assert isinstance(first, DeviceArray) and first.address != second.address
    assert np.array_equal(first.numpy(), Y) and np.array_equal(second.numpy(), W[:64] - 2 * X)
    assert (first.shape, first.dtype, first.nbytes, first.device) == ((64,), np.float32, 256, "cuda:0")
    assert repr(first) == "DeviceArray(float32[64] on cuda:0)"
    assert np.array_equal(context(x=first)["y"], 2 * Y + W[:64])
    assert driver.counts["synchronize_all"] == 0


def test_memory_of_results_is_used_again_after_the_whole_gpu_was_waited_for(context: Context, driver: NullDriver):
    context({"x": X}, on_device=True)
    before = driver.counts["allocate"]
    places = [context({"x": X}, on_device=True)["y"].address for _ in range(20)]
    assert driver.counts["allocate"] == before + 3, "four are put aside"
    assert len(set(places)) == 4 and driver.counts["synchronize_all"] == 5
    kept = [context({"x": X * n}, on_device=True)["y"] for n in range(9)]
    assert all(np.array_equal(y.numpy(), 2 * (X * n) + W[:64]) for n, y in enumerate(kept))
    context.close()
    held = driver.held["allocate"]
    del kept
    assert driver.held["allocate"] == held - 9, "what comes back after the end is freed"


def test_a_fresh_result_on_the_gpu_does_not_cost_the_graph(context: Context, driver: NullDriver):
    x = Tensor(driver, X)
    for _ in range(4):
        context({"x": x}, on_device=True)
    assert (driver.counts["end_capture"], driver.counts["launch_graph"]) == (1, 3)


def test_an_address_that_kernels_cannot_use_is_copied_on_the_gpu(context: Context, driver: NullDriver):
    x, y = Tensor(driver, X, shift=4), Tensor(driver, np.zeros(64, np.float32), shift=8)
    context({"x": x}, out={"y": y})
    assert np.array_equal(y.content, Y)
    assert driver.counts["copy"] == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"speaks": "interface", "strides": (8,)}, "strided"),
        ({"speaks": "dlpack", "device": (2, 1)}, "it lies on cuda:1"),
    ],
)
def test_a_tensor_that_cannot_be_read_where_it_lies_is_refused(
    context: Context, driver: NullDriver, changes: dict[str, Any], why: str
):
    with pytest.raises(UserError, match="E507") as caught:
        context(x=Tensor(driver, X, **changes))
    assert why in caught.value.why
    assert np.array_equal(context(x=X)["y"], Y)


def test_a_library_that_refuses_to_hand_out_a_tensor_is_quoted(context: Context, driver: NullDriver):
    x = Tensor(driver, X)
    x.__dict__["__dlpack__"] = lambda **_: (_ for _ in ()).throw(BufferError("it requires a gradient"))
    with pytest.raises(UserError, match="E507") as caught:
        context(x=x)
    assert "it requires a gradient" in caught.value.why


def test_an_output_that_is_read_only_or_does_not_fit_or_is_an_input_is_refused(context: Context, driver: NullDriver):
    x = Tensor(driver, X)
    with pytest.raises(UserError, match="E507"):
        context({"x": x}, out={"y": Tensor(driver, X, "interface", read_only=True)})
    for wrong in (Tensor(driver, X[:5]), Tensor(driver, X.astype(np.float64)), x):
        with pytest.raises(UserError, match="E508"):
            context({"x": x}, out={"y": wrong})
    with pytest.raises(UserError, match="E503"):
        context(x=Tensor(driver, X.astype(np.float64)))


def test_a_tensor_in_host_memory_goes_the_way_of_numpy(context: Context):
    class Host:
        def __dlpack__(self, **options: object) -> object:
            return X.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0

    assert np.array_equal(context(x=Host())["y"], Y)


@pytest.mark.parametrize(
    "dtype", [np.float32, np.int64, np.bool_, np.uint8, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn]
)
def test_a_capsule_says_what_the_array_is(driver: NullDriver, dtype: Any):
    memory = driver.allocate(64)
    array = DeviceArray(driver, memory, np.dtype(dtype), (2, 3), None)
    capsule = array.__dlpack__()
    assert dlpack.read(capsule) == dlpack.Content(memory, np.dtype(dtype), (2, 3), (3, 1))
    assert array.__dlpack_device__() == (2, 0)


def test_a_capsule_keeps_its_memory_until_its_consumer_lets_go(driver: NullDriver):
    array = DeviceArray(driver, driver.allocate(64), np.dtype(np.float32), (4,), None)
    before = len(dlpack._exported)
    capsule = array.__dlpack__()
    assert len(dlpack._exported) == before + 1
    del capsule  # nobody took it
    gc.collect()
    assert len(dlpack._exported) == before
    capsule = array.__dlpack__()
    managed = dlpack._Managed.from_address(dlpack._pointer(capsule, b"dltensor"))
    rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", ctypes.pythonapi))
    used = b"used_dltensor"
    assert rename(capsule, used) == 0
    del capsule
    gc.collect()
    assert len(dlpack._exported) == before + 1, "its consumer has it"
    dlpack._DELETER(managed.deleter)(ctypes.addressof(managed))
    assert len(dlpack._exported) == before


def test_the_interface_of_a_result_says_where_it_lies(context: Context):
    result = context({"x": X}, on_device=True)["y"]
    found = result.__cuda_array_interface__
    assert found == {"shape": (64,), "typestr": "<f4", "data": (result.address, False), "version": 3, "stream": None}


def test_a_host_array_is_uploaded_and_parts_of_it_are_seen_and_filled() -> None:
    device, driver = null_cuda()
    found = device.upload(np.arange(12, dtype=np.int32)[::2])
    assert found.numpy().tolist() == [0, 2, 4, 6, 8, 10]
    part = found.part(2, 4)
    part.fill(np.array([7, 9], np.int32))
    assert (part.numpy().tolist(), found.numpy().tolist()) == ([7, 9], [0, 2, 7, 9, 8, 10])
    del found
    assert driver.held["allocate"] == 1, "a part keeps the whole"
    del part
    gc.collect()
    assert driver.held["allocate"] == 0
