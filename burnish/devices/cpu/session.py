"""A session on the processor: arrays are used in place, and native segments run on a team of threads."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np

from burnish.devices import Launches, Team
from burnish.devices.array import address_of, array_at
from burnish.devices.cpu.memory import CpuMemory
from burnish.devices.cpu.stamps import Stamps
from burnish.dims import evaluate, symbols
from burnish.plan.fault import fault_error
from burnish.plan.manifest import (
    NativeStep,
    StepSpec,
    TensorSpec,
    Variant,
    each_step,
)
from burnish.plan.native_abi import ALONE, WORTH_WAKING_FLOP
from burnish.plan.plan import Plan
from burnish.target import CHECKED

Array = np.ndarray[Any, Any]


class Host(Protocol):
    """The operations of the device that the session needs."""

    def allocate(self, size_bytes: int) -> CpuMemory:
        """Zeroed memory, 64-byte aligned. E520 if there is not enough."""

    def constant(self, blob: Any) -> CpuMemory:
        """A plan's blob, used in place if it is aligned."""

    def load(self, code: Any) -> Any:
        """Machine code of a plan, ready to be given to `team`. E531 if it is damaged."""

    def team(self, code: Any, threads: int) -> Team:
        """Threads that run the loaded code."""


class CpuInstalled:
    """Machine code, and constants used in place in the plan's file."""

    def __init__(self, device: Host, plan: Plan, variant: Variant) -> None:
        self.device, self.variant = device, variant
        self.code = device.load(plan.blobs[variant.code])
        constants = [s for s in variant.storages if s.kind == "constant"]
        self.constants = {s.number: device.constant(plan.blobs[s.blob]) for s in constants}
        self.symbols = {s.name: n for n, s in enumerate(plan.manifest.symbols)}
        self.inputs = tuple(t.storage for t in plan.manifest.inputs)

    def session(self, threads: int) -> CpuSession:
        return CpuSession(self, threads)

    def close(self) -> None:
        """Nothing to do: the pages belong to the file."""


class CpuSession:
    """The tables of docs/native-abi.md and the arena; see devices.Session."""

    def __init__(self, installed: CpuInstalled, threads: int) -> None:
        self._installed, self._device, variant = installed, installed.device, installed.variant
        self._variant = variant
        self.arena = self._device.allocate(max(variant.arena_bytes, 1))
        self._scratch = self._device.allocate(max(variant.scratch_bytes * threads, 1))
        table = [self._address(s.number, s.kind, s.offset) for s in variant.storages]
        self._buffers = (ctypes.c_int64 * (len(table) + 1))(*table, self._scratch.address)
        self._dims = (ctypes.c_int64 * max(len(installed.symbols), 1))()
        self._addresses = (ctypes.addressof(self._buffers), ctypes.addressof(self._dims))
        self._inputs, self._numbers = installed.inputs, dict[int, int]()
        self._memory: dict[int, CpuMemory] = {}
        self._stamps: Stamps | None = None
        self._team = self._device.team(installed.code, threads)
        is_checked = CHECKED in variant.target.split("+")
        self._notes = [self._scratch.address + n * variant.scratch_bytes for n in range(threads * is_checked)]

    def bind(self, values: Mapping[str, int]) -> None:
        self._numbers = segment_numbers(self._variant.steps, values)
        for name, n in self._installed.symbols.items():
            self._dims[n] = values.get(name, 0)
        self.arena.zero(self._variant.zero_bytes)
        for fill in self._variant.fills:
            self.arena.fill(fill.offset, fill.size_bytes, fill.byte)

    def feed(self, arrays: Sequence[Array]) -> None:
        buffers = self._buffers
        for number, array in zip(self._inputs, arrays):
            buffers[number] = address_of(array)

    def adopt(self, value: object, spec: TensorSpec, role: str) -> None:
        return None

    def fresh(self, number: int, shape: tuple[int, ...], dtype: np.dtype[Any], on_device: bool) -> Array:
        array: Array = np.empty(shape, dtype)
        self._buffers[number] = address_of(array)
        return array

    def place(self, number: int, array: Array) -> None:
        self._buffers[number] = address_of(array)

    def launch(self, steps: Launches) -> None:
        if self._stamps is not None:
            self._launch_timed(steps, self._stamps)
            return
        launch, numbers, (buffers, dims) = self._team.launch, self._numbers, self._addresses
        for step in steps:
            launch(numbers[step.segment], buffers, dims, 0)  # type: ignore[union-attr]  # a cpu's plan has no others
        for address in self._notes:
            note = ctypes.c_int64.from_address(address)
            if note.value:
                found, note.value = note.value, 0
                raise fault_error(found, self._variant)

    def finish(self) -> None:
        """No work is ever pending here, because the calling thread is one of the team."""

    deliver = wait = finish

    def mark(self) -> None:
        return None

    def join(self, stream: int, mark: object) -> None:
        """The host's memory has no streams."""

    def begin(self) -> None:
        self._memory = {}

    def learn(self, name: str, value: int) -> None:
        self._dims[self._installed.symbols[name]] = value

    def allocate(self, number: int, size_bytes: int) -> None:
        self._memory[number] = memory = self._device.allocate(max(size_bytes, 1))
        self._buffers[number] = memory.address

    def truth(self, number: int) -> bool:
        return bool(ctypes.c_uint8.from_address(self._buffers[number]).value)

    def read(self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        memory = self._memory.get(number) or self._installed.constants.get(number)
        if memory is not None:
            return memory.array(dtype, shape)
        return array_at(self._buffers[number], dtype, shape)

    def write(self, number: int, array: Array) -> None:
        np.copyto(self.read(number, array.dtype, array.shape), array)

    def collect(
        self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...], into: Array | None, on_device: bool
    ) -> Array:
        content = self.read(number, dtype, shape)
        if into is not None:
            np.copyto(into, content)
            return into
        return content if self._memory.pop(number, None) is not None else content.copy()

    def watch(self) -> Stamps:
        self._stamps = Stamps(len(self._variant.launches))
        return self._stamps

    def unwatch(self) -> None:
        self._stamps = None

    def time(self, steps: Launches, repeats: int) -> list[float]:
        found = []
        for _ in range(repeats):
            start = time.perf_counter()
            self.launch(steps)
            found.append((time.perf_counter() - start) * 1e3)
        return found

    def close(self) -> None:
        self._team.close()

    def _address(self, number: int, kind: str, offset: int) -> int:
        if kind == "constant":
            return self._installed.constants[number].address
        return self.arena.address + offset if kind == "arena" else 0

    def _launch_timed(self, steps: Launches, stamps: Stamps) -> None:
        for step in cast("tuple[NativeStep, ...]", steps):
            stamps.before(step)
            self._team.launch(self._numbers[step.segment], *self._addresses, stamps.address)
            stamps.after(step)


def segment_numbers(steps: tuple[StepSpec, ...], values: Mapping[str, int]) -> dict[int, int]:
    """The number of each segment for these symbols, with ALONE added if waking other threads would not pay."""
    found: dict[int, int] = {}
    for step in each_step(steps):
        if isinstance(step, NativeStep):
            work = step.shared_work
            known = bool(work) and symbols(work) <= values.keys()
            alone = known and evaluate(work, values) < WORTH_WAKING_FLOP
            found[step.segment] = step.segment + (ALONE if alone else 0)
    return found
