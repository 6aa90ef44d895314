"""A session on a GPU: a stream, an arena, and buffers for data from and to the host; see devices.Session.

Work is enqueued in order on the session's own stream. The host waits for it only in `wait`, and where it must read data
between launches. A tensor that is already on the GPU is used in place if it is aligned as kernels assume, else copied.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from burnish.devices import Launches
from burnish.devices.array import address_of
from burnish.devices.cuda.array import DeviceArray, adopt
from burnish.devices.cuda.event import Event
from burnish.devices.cuda.launcher import Launcher
from burnish.devices.cuda.loaded import Loaded
from burnish.devices.cuda.memory import GpuMemory
from burnish.devices.cuda.pool import Pool
from burnish.devices.cuda.staging import Staging
from burnish.devices.cuda.stopwatch import EventClock, RunClock
from burnish.dims import Dim, evaluate, symbols
from burnish.errors import BurnishError
from burnish.plan.manifest import KernelStep, ScalarArgument, TensorMapArgument, TensorSpec
from burnish.plan.native_abi import ADDRESS_ALIGN_BYTES
from burnish.settings import settings

Array = Any  # a numpy array or a DeviceArray
WAITS_FOR_EACH = 2  # BURNISH_DEBUG: launch by launch


class CudaSession:
    """The session of one caller."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded, self._driver, self._variant = loaded, loaded.driver, loaded.variant
        self._is_closed, self._is_flying = False, False
        self._stream = 0
        self._arena: GpuMemory | None = None
        self._buffers: dict[int, GpuMemory] = {}
        self._dynamic: dict[int, GpuMemory] = {}
        self._values: dict[str, int] = {}
        self._shape_key: tuple[int, ...] = ()
        self._bound_names: frozenset[str] = frozenset()
        self._fresh: list[DeviceArray] = []
        self._results: list[tuple[int, Array]] = []
        self._steady: dict[int, tuple[Launches, bool]] = {}
        self._is_slow = settings().debug >= WAITS_FOR_EACH
        self._clock: EventClock | None = None
        self._runs: RunClock | None = None
        largest = {s.name: s.max for s in loaded.symbols}
        self._largest = {s.number: evaluate(s.size, largest) for s in self._variant.storages if s.kind != "dynamic"}
        with self._driver.current():
            try:
                self._open()
            except BaseException:
                self._let_go()
                raise

    def _open(self) -> None:
        variant, driver = self._variant, self._driver
        self._stream = driver.stream()
        self._arena = GpuMemory(driver, variant.arena_bytes)
        driver.zero(self._arena.address, self._arena.size_bytes, self._stream)
        constants, start = self._loaded.constants, self._arena.address
        self._table = [
            constants[s.number] if s.kind == "constant" else start + s.offset if s.kind == "arena" else 0
            for s in variant.storages
        ]
        self._moving = tuple(s.number for s in variant.storages if s.kind in ("input", "output"))
        self._staging, self._pool, self._order = Staging(driver, self._stream), Pool(driver), Event(driver)
        self._launcher = Launcher(driver, self._stream, self._loaded.functions, settings().graphs)

    # a call

    def bind(self, values: Mapping[str, int]) -> None:
        self._values = dict(values)
        self._shape_key, self._bound_names = tuple(values.values()), frozenset(values)
        self._steady.clear()
        if self._variant.zero_bytes and self._arena is not None:
            with self._driver.current():
                self._driver.zero(self._arena.address, self._variant.zero_bytes, self._stream)

    def feed(self, arrays: Sequence[Array]) -> None:
        with self._driver.current():
            if self._is_flying:  # the call failed halfway: its copies may still read the pinned buffers
                self._driver.synchronize(self._stream)
                self._staging.forget_arrivals()
            self._is_flying, self._results, self._fresh = True, [], []
            for number, array in zip(self._loaded.inputs, arrays):
                if isinstance(array, DeviceArray) and array.address % ADDRESS_ALIGN_BYTES == 0:
                    self._table[number] = array.address
                    continue
                self._table[number] = address = self._buffer(number, array.nbytes)
                if isinstance(array, DeviceArray):
                    self._driver.copy(address, array.address, array.nbytes, self._stream)
                else:
                    self._staging.send(number, array, address, self._largest.get(number, 0))

    def adopt(self, value: object, spec: TensorSpec, role: str) -> DeviceArray | None:
        return adopt(value, spec, role, self._driver, self._stream, self._order)

    def fresh(self, number: int, shape: tuple[int, ...], dtype: np.dtype[Any], on_device: bool) -> Array:
        """Its address differs in each call; kernels write to a fixed address, so graphs stay usable."""
        array = self._new(shape, dtype, on_device)
        self._place_ours(number, array)
        return array

    def _new(self, shape: tuple[int, ...], dtype: np.dtype[Any], on_device: bool) -> Array:
        if not on_device:
            return np.empty(shape, dtype)
        block = self._pool.take(math.prod(shape) * dtype.itemsize)
        array = DeviceArray(self._driver, block.address, dtype, shape, block)
        self._fresh.append(array)
        return array

    def place(self, number: int, array: Array) -> None:
        if isinstance(array, DeviceArray) and array.address % ADDRESS_ALIGN_BYTES == 0:
            self._table[number] = array.address
        else:
            self._place_ours(number, array)

    def _place_ours(self, number: int, array: Array) -> None:
        """Let kernels write into the session's own memory, and copy from there into the array."""
        with self._driver.current():
            self._table[number] = self._buffer(number, array.nbytes)
        self._results.append((number, array))

    def launch(self, steps: Launches) -> None:
        key = self._key(steps)
        with self._driver.current():
            if self._is_slow:
                self._launch_and_wait(steps)
            elif self._clock is not None:
                self._clock.run(key, steps, self._launcher, self._table, self._values)
            elif key is None:
                self._launcher.launch(self._launcher.prepare(steps, self._table, self._values))
            else:
                self._launcher.run(key, steps, self._table, self._values)

    def finish(self) -> None:
        self.deliver()
        self.wait()

    def deliver(self) -> None:
        with self._driver.current():
            for place, (number, array) in enumerate(self._results):
                self._staging.fetch((place, number), self._table[number], array, self._largest.get(number, 0))
        self._results = []

    def wait(self) -> None:
        with self._driver.current():
            self._driver.synchronize(self._stream)
        self._staging.arrive()
        self._is_flying = False
        for array in self._fresh:
            array.ready = None
        self._fresh = []

    def mark(self) -> Event:
        event = Event(self._driver)
        with self._driver.current():
            event.record(self._stream)
        for array in self._fresh:
            array.ready = event
        return event

    def join(self, stream: int, mark: object) -> None:
        with self._driver.current():
            self._driver.wait_for(cast(Event, mark).handle, stream)

    # between launches

    def begin(self) -> None:
        for memory in self._dynamic.values():
            memory.free()
        self._dynamic.clear()

    def learn(self, name: str, value: int) -> None:
        self._values[name] = value

    def allocate(self, number: int, size_bytes: int) -> None:
        self._dynamic[number] = memory = GpuMemory(self._driver, size_bytes)
        self._table[number] = memory.address

    def truth(self, number: int) -> bool:
        return bool(self.read(number, np.dtype(np.uint8), (1,))[0])

    def read(self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        with self._driver.current():
            return self._staging.read(self._table[number], dtype, shape)

    def write(self, number: int, array: np.ndarray[Any, Any]) -> None:
        with self._driver.current():
            if array.nbytes:
                self._driver.synchronize(self._stream)
                self._driver.upload(self._table[number], address_of(array), array.nbytes)

    def collect(
        self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...], into: Array | None, on_device: bool
    ) -> Array:
        array = self._new(shape, dtype, on_device) if into is None else into
        self._results.append((number, array))
        return array

    # measuring

    def watch(self) -> EventClock:
        self._clock = EventClock(self._driver, self._stream, len(self._variant.launches))
        return self._clock

    def unwatch(self) -> None:
        clock, self._clock = self._clock, None
        if clock is not None:
            with self._driver.current():
                clock.close()

    def time(self, steps: Launches, repeats: int) -> list[float]:
        with self._driver.current():
            if self._runs is None:
                self._runs = RunClock(self._driver, self._stream, self._launcher)
            return self._runs.run(self._key(steps), steps, self._table, self._values, repeats)

    def close(self) -> None:
        if self._is_closed:
            return
        try:
            with self._driver.current():
                self._let_go()
        except BurnishError as error:
            if error.code != "E524":  # if the GPU is lost, all of it is gone anyway
                raise

    def __del__(self) -> None:
        if not getattr(self, "_is_closed", True) and not sys.is_finalizing():
            self.close()

    def _let_go(self) -> None:
        """Free everything, in an order that is safe for pending work; what is loaded is released even if this fails."""
        self._is_closed = True
        is_open = hasattr(self, "_launcher")
        try:
            if self._stream:
                self._driver.synchronize(self._stream)
            if self._runs is not None:
                self._runs.close()
            if is_open:
                self._launcher.forget()
                self._staging.free()
                self._pool.close()
                self._order.destroy()
            for memory in (*self._buffers.values(), *self._dynamic.values(), *([self._arena] if self._arena else [])):
                memory.free()
            if self._stream:
                self._driver.destroy_stream(self._stream)
        finally:
            if is_open:
                self._loaded.release()

    def _buffer(self, number: int, size_bytes: int) -> int:
        """The session's own memory for an input or output: the profile's largest size, allocated at first use."""
        found = self._buffers.get(number)
        if found is None or found.size_bytes < size_bytes:
            found = self._buffers[number] = GpuMemory(self._driver, max(self._largest.get(number, 0), size_bytes))
        return found.address

    def _launch_and_wait(self, steps: Launches) -> None:
        """Launch and wait one by one, so that an error can name the launch."""
        for step in cast("tuple[KernelStep, ...]", steps):
            try:
                self._launcher.launch(self._launcher.prepare((step,), self._table, self._values))
                self._driver.synchronize(self._stream)
            except BurnishError as error:
                launch = self._variant.launches[step.launch]
                where = f"launch {step.launch}, '{launch.name}', {launch.kernel}: {launch.tactic}"
                raise type(error)(error.code, error.what, where=where, why=error.why, hint=error.hint) from error

    def _key(self, steps: Launches) -> tuple[Any, ...] | None:
        """Everything that the launches depend on; None if it is new in each run."""
        found = self._steady.get(id(steps))
        if found is None:
            is_steady = all(self._is_steady(s) for s in cast("tuple[KernelStep, ...]", steps))
            found = self._steady[id(steps)] = (steps, is_steady)
        if not found[1]:
            return None
        return (id(steps), self._shape_key, tuple([self._table[n] for n in self._moving]))

    def _is_steady(self, step: KernelStep) -> bool:
        """True if only bound shapes decide its numbers, and none of its storages is allocated anew in each run."""
        numbers: list[Dim] = [*step.grid]
        for a in step.arguments:
            if isinstance(a, ScalarArgument):
                numbers.append(a.value)
                continue
            storage = self._variant.storages[a.storage]
            if storage.kind == "dynamic" or not symbols(storage.size) <= self._bound_names:
                return False
            numbers += [a.offset, *((*a.shape, *a.strides) if isinstance(a, TensorMapArgument) else ())]
        return all(symbols(n) <= self._bound_names for n in numbers)
