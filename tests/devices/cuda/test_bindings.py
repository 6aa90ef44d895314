"""bindings.py, parameters.py: what the real driver is asked, seen by one that answers by hand."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from burnish.devices.cuda import bindings as module
from burnish.devices.cuda.bindings import BoundDriver, bindings, count_gpus
from burnish.devices.cuda.driver import Address, Driver, Integer, TensorMap
from burnish.devices.cuda.parameters import _SIGNATURE
from burnish.dtypes import DType
from burnish.errors import BurnishError, EnvironmentProblem, InternalError

cu = pytest.importorskip("cuda.bindings.driver")
OK = cu.CUresult.CUDA_SUCCESS


class Fake:
    """cuda.bindings.driver with its types, and functions that note and answer."""

    def __init__(self, **answers: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.maps: list[dict[str, Any]] = []
        encode = _SIGNATURE(self._encode)
        self._keep = encode
        self.answers: dict[str, Any] = {
            "cuDriverGetVersion": 13000, "cuDeviceGetCount": 2, "cuDeviceGet": 5, "cuDevicePrimaryCtxRetain": 6,
            "cuDeviceGetUuid": SimpleNamespace(bytes=bytes(range(16))), "cuDeviceGetName": b"NVIDIA H200\0\0",
            "cuDeviceGetAttribute": 9, "cuDeviceTotalMem": 1 << 37,
            "cuMemAlloc": 4096, "cuMemHostAlloc": 8192, "cuStreamCreate": 77, "cuEventElapsedTime": 1.5,
            "cuGetProcAddress": (ctypes.cast(encode, ctypes.c_void_p).value, 0), "cuMemGetInfo": (1 << 20, 1 << 21),
            "cuStreamIsCapturing": 0, "cuModuleLoadData": 11, "cuModuleGetFunction": 12, "cuStreamEndCapture": 13,
            "cuGraphInstantiate": 14, "cuEventCreate": 15,
        } | answers  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu") or name.startswith("CU"):
            return getattr(cu, name)

        def call(*arguments: Any) -> tuple[Any, ...]:
            self.asked.append((name, *arguments))
            answer = self.answers.get(name)
            if isinstance(answer, cu.CUresult):
                return (answer, None)
            return (OK,) if answer is None else (OK, *answer) if isinstance(answer, tuple) else (OK, answer)

        return call

    def _encode(self, place: int, kind: int, axes: int, address: int, *rest: int) -> int:
        widths = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32]
        counts = [axes, axes - 1, axes, axes]
        arrays = [list((w * n).from_address(a)) if n else [] for w, n, a in zip(widths, counts, rest)]
        self.maps.append({"place": place, "kind": kind, "address": address, "arrays": arrays, "rest": rest[4:]})
        return 0 if address else 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake()
    monkeypatch.setattr(module, "bindings", lambda: found)
    return found


def test_a_gpu_says_what_it_is(fake: Fake):
    driver: Driver = BoundDriver(1)
    assert driver.facts.name == "NVIDIA H200" and driver.facts.capability == (9, 9) and driver.facts.cuda == 13000
    assert driver.facts.uuid == "000102030405060708090a0b0c0d0e0f"
    assert ("cuDevicePrimaryCtxRetain", 5) in fake.asked
    with pytest.raises(EnvironmentProblem, match="E835"):
        BoundDriver(2)


@pytest.mark.parametrize(
    ("number", "found", "asked"),
    [
        (0, 6, []),
        (0, 0, [("cuCtxSetCurrent", 6)]),
        (0, 9, [("cuCtxPushCurrent", 6), ("cuCtxPopCurrent",)]),
        (1, 0, [("cuCtxPushCurrent", 6), ("cuCtxPopCurrent",)]),
    ],
)
def test_a_threads_own_context_is_there_again_afterwards(
    fake: Fake, number: int, found: int, asked: list[tuple[Any, ...]]
):
    driver = BoundDriver(number)
    fake.answers["cuCtxGetCurrent"] = found
    fake.asked.clear()
    with driver.current():
        pass
    assert fake.asked == [("cuCtxGetCurrent",), *asked]


def test_a_launch_has_its_parameters_in_memory_and_its_attribute(fake: Fake):
    driver = BoundDriver(0)
    box = TensorMap(4096, DType.F16, (3, 4, 8), (64, 8, 1), (1, 2, 8), (1, 2, 1), 32)
    parameters = [Address(1 << 40), Integer(-3), box, Integer(-(1 << 40), 64)]
    prepared = driver.prepare(12, (2, 3, 4), 128, 1 << 16, parameters, True, 77)
    places = (ctypes.c_void_p * 4).from_address(prepared.address)
    assert ctypes.c_uint64.from_address(places[0]).value == 1 << 40
    assert ctypes.c_int32.from_address(places[1]).value == -3
    assert ctypes.c_int64.from_address(places[3]).value == -(1 << 40)
    (encoded,) = fake.maps
    assert encoded["place"] == places[2] and places[2] % 64 == 0
    assert (encoded["kind"], encoded["address"]) == (6, 4096)
    assert encoded["arrays"] == [[8, 4, 3], [16, 128], [8, 4, 1], [1, 2, 1]], "inner to outer; bytes; before stepping"
    assert encoded["rest"] == (0, 1, 2, 0), "interleave, swizzle, promotion, fill"
    config = prepared.config
    assert (config.gridDimX, config.gridDimY, config.gridDimZ, config.blockDimX) == (2, 3, 4, 128)
    assert (config.sharedMemBytes, int(config.hStream), config.numAttrs) == (1 << 16, 77, 1)
    assert config.attrs[0].value.programmaticStreamSerializationAllowed == 1
    driver.launch(prepared)
    assert fake.asked[-1] == ("cuLaunchKernelEx", config, 12, prepared.address, 0)
    assert driver.prepare(12, (1, 1, 1), 32, 0, [], False, 77).config.numAttrs == 0


def test_a_tensor_that_the_copy_engine_refuses_is_e526(fake: Fake):
    driver = BoundDriver(0)
    with pytest.raises(InternalError, match=r"E526[\s\S]*encode TensorMap"):
        driver.prepare(12, (1, 1, 1), 32, 0, [TensorMap(0, DType.F32, (1,), (1,), (1,), (1,), 0)], False, 77)


def test_much_shared_memory_is_asked_for(fake: Fake):
    driver = BoundDriver(0)
    driver.function(11, "kernel", 48 << 10)
    assert "cuFuncSetAttribute" not in {a[0] for a in fake.asked}
    assert driver.function(11, "kernel", 200_000) == 12
    which = cu.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    assert fake.asked[-2:] == [("cuModuleGetFunction", 11, b"kernel"), ("cuFuncSetAttribute", 12, which, 200_000)]


def test_a_capture_becomes_a_graph_and_events_in_it_are_the_graphs(fake: Fake):
    driver = BoundDriver(0)
    driver.record(15, 77)
    assert fake.asked[-1] == ("cuEventRecordWithFlags", 15, 77, 0)
    driver.begin_capture(77)
    fake.answers["cuStreamIsCapturing"] = 1
    driver.record(15, 77)
    assert fake.asked[-1] == ("cuEventRecordWithFlags", 15, 77, 1)
    assert driver.end_capture(77) == 14
    assert fake.asked[-1] == ("cuGraphDestroy", 13)
    driver.launch_graph(14, 77)
    driver.abandon_capture(77)
    assert fake.asked[-2:] == [("cuStreamEndCapture", 77), ("cuGraphDestroy", 13)]


def test_every_call_goes_to_the_driver_as_it_should(fake: Fake):
    driver = BoundDriver(0)
    assert (driver.allocate(10), driver.allocate_pinned(10), driver.stream(), driver.event()) == (4096, 8192, 77, 15)
    assert driver.memory() == (1 << 20, 1 << 21) and driver.elapsed(1, 2) == 1.5 and driver.load(b"\x7fELF") == 11
    fake.asked.clear()
    driver.free(1), driver.free_pinned(2), driver.upload(1, 2, 3), driver.download(1, 2, 3)
    driver.copy_in(1, 2, 3, 4), driver.copy_out(1, 2, 3, 4), driver.copy(1, 2, 3, 4), driver.zero(1, 2, 3)
    driver.unload(11), driver.destroy_stream(1), driver.synchronize(1), driver.destroy_event(1)
    driver.wait_for(1, 2), driver.synchronize_event(1), driver.destroy_graph(1)
    assert fake.asked == [
        ("cuMemFree", 1), ("cuMemFreeHost", 2),
        ("cuMemcpyHtoD", 1, 2, 3), ("cuStreamSynchronize", 1), ("cuMemcpyDtoH", 1, 2, 3),
        ("cuMemcpyHtoDAsync", 1, 2, 3, 4), ("cuMemcpyDtoHAsync", 1, 2, 3, 4), ("cuMemcpyDtoDAsync", 1, 2, 3, 4),
        ("cuMemsetD8Async", 1, 0, 2, 3), ("cuModuleUnload", 11), ("cuStreamDestroy", 1), ("cuStreamSynchronize", 1),
        ("cuEventDestroy", 1), ("cuStreamWaitEvent", 2, 1, 0), ("cuEventSynchronize", 1), ("cuGraphExecDestroy", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "call", "code"),
    [
        ("CUDA_ERROR_OUT_OF_MEMORY", ("allocate", 1 << 40), "E520"),
        ("CUDA_ERROR_ILLEGAL_ADDRESS", ("synchronize", 77), "E524"),
        ("CUDA_ERROR_NO_BINARY_FOR_GPU", ("load", b""), "E531"),
        ("CUDA_ERROR_INVALID_VALUE", ("launch_graph", 1, 2), "E526"),
        ("CUDA_ERROR_NOT_INITIALIZED", ("stream",), "E836"),
    ],
)
def test_a_refusal_is_a_coded_error(fake: Fake, answer: str, call: tuple[Any, ...], code: str):
    driver = BoundDriver(0)
    keep = ("cuMemGetInfo", "cuCtxPopCurrent")
    names = [n for n in dir(cu) if n.startswith("cu") and n not in keep]
    fake.answers |= {n: getattr(cu.CUresult, answer) for n in names}
    with pytest.raises(BurnishError, match=code) as caught:
        getattr(driver, call[0])(*call[1:])
    if code == "E520":
        assert "allocate 1048576.0 MiB" in caught.value.what and "1 of 2 MiB are free" in caught.value.why


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"cuDriverGetVersion": 11080}, "E834"),
        ({"cuInit": cu.CUresult.CUDA_ERROR_NO_DEVICE}, "E835"),
        ({"cuInit": cu.CUresult.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH}, "E834"),
        ({"cuDeviceGetCount": 0}, "E835"),
    ],
)
def test_what_stands_in_the_way_of_a_gpu_is_said(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], code: str):
    bindings.cache_clear()
    monkeypatch.setattr(module.importlib, "import_module", lambda name: Fake(**answers))
    try:
        with pytest.raises(EnvironmentProblem, match=code):
            count_gpus()
    finally:
        bindings.cache_clear()


def test_an_upload_is_complete_at_return(fake: Fake):
    """From pageable memory the driver returns once the bytes are staged; our streams do not wait for its own."""
    BoundDriver(1).upload(4096, 8192, 100)
    assert fake.asked[-2:] == [("cuMemcpyHtoD", 4096, 8192, 100), ("cuStreamSynchronize", 1)]
