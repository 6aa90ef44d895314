"""Tensors in GPU memory. Other libraries take ours without a copy, and we take theirs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from burnish.devices.array import address_of
from burnish.devices.cuda import dlpack
from burnish.devices.cuda.driver import Driver
from burnish.devices.cuda.event import Event
from burnish.devices.cuda.exchange import Exchange, exchange_of
from burnish.errors import UserError
from burnish.plan.manifest import TensorSpec

GPU, MANAGED = 2, 13  # DLPack's kinds of devices


class DeviceArray:
    """A dense row-major tensor in GPU memory; `torch.from_dlpack(array)` and `cupy.asarray(array)` share its bytes.

    If a consumer names its stream (DLPack: torch, cupy), that stream waits for the tensor's work; the host does not.
    When the last user has released the tensor, later calls of the context reuse its memory.
    """

    def __init__(
        self, driver: Driver, address: int, dtype: np.dtype[Any], shape: tuple[int, ...], owner: object
    ) -> None:
        self._driver, self._owner = driver, owner
        self.address, self.dtype, self.shape = address, dtype, shape
        self.nbytes = math.prod(shape) * dtype.itemsize
        self.ready: Event | None = None  # the event that completes its content; None: it is complete

    @property
    def device(self) -> str:
        return f"cuda:{self._driver.number}"

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy in host memory, once the content is complete."""
        found = np.empty(self.shape, self.dtype)
        with self._driver.current():
            if self.ready is not None:
                self.ready.synchronize()
            if self.nbytes:
                self._driver.download(address_of(found), self.address, self.nbytes)
        return found

    def part(self, start: int, stop: int) -> DeviceArray:
        """Elements `start` to `stop` of a one-dimensional tensor, without a copy."""
        address = self.address + start * self.dtype.itemsize
        return DeviceArray(self._driver, address, self.dtype, (stop - start,), self)

    def fill(self, content: np.ndarray[Any, Any]) -> None:
        """Copy the bytes of a host array of the same size. The copy is complete at return."""
        with self._driver.current():
            if self.nbytes:
                self._driver.upload(self.address, address_of(content), self.nbytes)

    def order_before(self, stream: int) -> None:
        """Make the stream wait until the content is complete."""
        if self.ready is not None:
            with self._driver.current():
                self._driver.wait_for(self.ready.handle, stream)

    def __dlpack__(self, *, stream: int | None = None, **_: object) -> object:
        if stream != -1:  # -1: the consumer orders the work itself
            self.order_before(dlpack.LEGACY_STREAM if stream is None else stream)
        return dlpack.export(self, self.address, self.dtype, self.shape, self._driver.number)

    def __dlpack_device__(self) -> tuple[int, int]:
        return GPU, self._driver.number

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3. It passes no stream to the consumer, so this waits until the content is complete."""
        if self.ready is not None:
            self.ready.synchronize()
        place = (self.address if self.nbytes else 0, False)
        return {"shape": self.shape, "typestr": self.dtype.str, "data": place, "version": 3, "stream": None}

    def __repr__(self) -> str:
        return f"DeviceArray({self.dtype}{list(self.shape)} on {self.device})"


def adopt(value: object, spec: TensorSpec, role: str, driver: Driver, stream: int, order: Event) -> DeviceArray | None:
    """A foreign tensor on this GPU, without a copy; `stream` waits for its producer. None: in host memory or no tensor.

    order:  an event to make streams wait by
    raises: E507 for a tensor of another GPU, a strided one, or one that its library does not export
    """
    if isinstance(value, DeviceArray):
        found = value
    elif (exchange := exchange_of(type(value))) is not None:
        return _from_exchange(value, exchange, spec, role, driver, stream, order)
    elif hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
        kind, number = (int(n) for n in value.__dlpack_device__())
        if not _is_here((kind, number), spec, role, driver):
            return None
        found = _from_dlpack(value, spec, role, driver, stream)
    elif isinstance(interface := getattr(value, "__cuda_array_interface__", None), dict):
        found = _from_interface(value, interface, spec, role, driver, stream, order)
    else:
        return None
    if found._driver.number != driver.number:
        raise _unusable(spec, role, f"it lies on {found.device}, the plan runs on cuda:{driver.number}")
    found.order_before(stream)
    return found


def _is_here(device: tuple[int, int], spec: TensorSpec, role: str, driver: Driver) -> bool:
    """Is it on this GPU, or in memory that all GPUs see? False: in host memory. E507: on another GPU."""
    kind, number = device
    if kind == GPU and number != driver.number:
        raise _unusable(spec, role, f"it lies on cuda:{number}, the plan runs on cuda:{driver.number}")
    return kind in (GPU, MANAGED)


def _from_exchange(
    value: object, exchange: Exchange, spec: TensorSpec, role: str, driver: Driver, stream: int, order: Event
) -> DeviceArray | None:
    try:
        view = exchange.view(value)
        if not _is_here(view.device, spec, role, driver):
            return None
        producer = exchange.stream(view.device)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise _unusable(spec, role, f"it cannot be taken through DLPack: {error}") from error
    found = view.content
    if not is_dense(found.shape, found.strides):
        raise _unusable(spec, role, "it is strided")
    with driver.current():
        order.record(producer)
        driver.wait_for(order.handle, stream)
    return DeviceArray(driver, found.address, found.dtype, found.shape, value)


def _from_dlpack(value: Any, spec: TensorSpec, role: str, driver: Driver, stream: int) -> DeviceArray:
    try:
        capsule = value.__dlpack__(stream=stream)
        content = dlpack.read(capsule)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise _unusable(spec, role, f"it cannot be taken through DLPack: {error}") from error
    if not is_dense(content.shape, content.strides):
        raise _unusable(spec, role, "it is strided")
    return DeviceArray(driver, content.address, content.dtype, content.shape, (capsule, value))


def _from_interface(
    value: object, interface: dict[str, Any], spec: TensorSpec, role: str, driver: Driver, stream: int, order: Event
) -> DeviceArray:
    shape, dtype = tuple(int(n) for n in interface["shape"]), np.dtype(interface["typestr"])
    strides = interface.get("strides")
    if strides is not None and not is_dense(shape, tuple(n // max(dtype.itemsize, 1) for n in strides)):
        raise _unusable(spec, role, "it is strided")
    address, is_read_only = interface["data"]
    if is_read_only and role == "output":
        raise _unusable(spec, role, "it is read-only")
    if dtype.kind == "V" and dtype.itemsize == spec.dtype.size_bytes:
        dtype = spec.dtype.numpy  # numpy has no letter for it
    if producer := interface.get("stream"):
        with driver.current():
            order.record(producer)
            driver.wait_for(order.handle, stream)
    return DeviceArray(driver, int(address or 0), dtype, shape, value)


def is_dense(shape: tuple[int, ...], strides: tuple[int, ...] | None) -> bool:
    """Row-major without gaps; strides in elements, None for dense."""
    if strides is None or 0 in shape:
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and stride != step:
            return False
        step *= size
    return True


def _unusable(spec: TensorSpec, role: str, why: str) -> UserError:
    return UserError(
        "E507",
        f"{role} '{spec.name}' cannot be used where it lies",
        why=why,
        hint="pass a dense tensor on the plan's GPU (torch: tensor.detach().contiguous()), or a numpy array",
    )
