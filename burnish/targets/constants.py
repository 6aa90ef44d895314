"""Constants: packed in the layout that each tactic needs, and stored once per content.

A slot that reads a constant gets either the constant's own storage, or, where the template packs it, a storage with the
packed bytes. Blobs are named by their content (`weights/<sha256>`), so equal bytes are
stored once, even if different launches packed them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Branch, Kernel, Launch, Program, ReferenceStep
from burnish.plan.manifest import StorageSpec
from burnish.plan.native_abi import STORAGE_ALIGN_BYTES
from burnish.targets.template import Array, Template


@dataclass(frozen=True, slots=True)
class _Use:
    """One slot of a kernel, under a schedule, on one place of a constant. Equal uses share their packed bytes."""

    binding: Binding
    kernel: str  # its key
    schedule: Schedule
    slot: int


@dataclass
class Constants:
    """Collects packed constants while launches are bound; `storages()` then returns everything they need."""

    program: Program
    template_of: Callable[[Kernel], Template[Any]]
    blobs: dict[str, memoryview] = field(default_factory=dict)
    _used: dict[int, str] = field(default_factory=dict)  # storage number -> blob
    _packed: dict[_Use, int | None] = field(default_factory=dict)  # -> storage number; None: as it is
    _numbers: dict[str, int] = field(default_factory=dict)  # packed blob -> storage number

    def bind(self, launch: Launch, schedule: Schedule) -> tuple[Binding, ...]:
        """The launch's bindings, with packed constants in place of those that the schedule wants packed."""
        bindings = []
        for n, (slot, binding) in enumerate(zip(launch.kernel.slots, launch.bindings)):
            if binding.storage in self.program.constants:
                binding = self._bind_constant(launch, schedule, n, slot, binding)
            bindings.append(binding)
        return tuple(bindings)

    def use(self, step: ReferenceStep) -> None:
        """A reference step reads constants as they are."""
        for tensor in step.inputs:
            if tensor.storage in self.program.constants:
                self._keep(tensor.storage)

    def use_condition(self, step: Branch) -> None:
        """A branch reads constants as they are."""
        if step.condition.storage in self.program.constants:
            self._keep(step.condition.storage)

    def keep_outputs(self) -> None:
        """A constant may also be an output of the plan."""
        for tensor in self.program.outputs:
            if tensor.storage in self.program.constants:
                self._keep(tensor.storage)

    def storages(self) -> dict[int, StorageSpec]:
        """The storage of each constant that is used, by number. Packed constants come after the program's own."""
        sizes = {name: len(blob) for name, blob in self.blobs.items()}
        return {n: StorageSpec(n, "constant", sizes[blob], blob=blob) for n, blob in sorted(self._used.items())}

    def _bind_constant(self, launch: Launch, schedule: Schedule, n: int, slot: Slot, binding: Binding) -> Binding:
        use = _Use(binding, launch.kernel.key, schedule, n)
        if use in self._packed:
            known = self._packed[use]
            return binding if known is None else Binding(known)
        content = _view(self.program.constants[binding.storage], slot, binding)
        packed = content
        if content is not None:
            packed = self.template_of(launch.kernel).pack(launch.kernel, schedule, n, content)
        if packed is content or packed is None:
            self._keep(binding.storage)
            self._packed[use] = None
            return binding
        blob = self._add(packed)
        number = self._numbers.setdefault(blob, len(self.program.storages) + len(self._numbers))
        self._used[number] = blob
        self._packed[use] = number
        return Binding(number)

    def _keep(self, storage: int) -> None:
        if storage not in self._used:
            self._used[storage] = self._add(self.program.constants[storage])

    def _add(self, array: Array) -> str:
        content = _aligned_bytes(array)
        name = f"weights/{hashlib.sha256(content).hexdigest()}"
        self.blobs.setdefault(name, content)
        return name


def _view(constant: Array, slot: Slot, binding: Binding) -> Array | None:
    """The slot's elements as an array of the slot's shape; None while the shape is symbolic (then nothing packs it)."""
    shape = [n for n in slot.shape if isinstance(n, int)]
    strides = [n * slot.dtype.size_bytes for n in slot.strides if isinstance(n, int)]
    if len(shape) + len(strides) < 2 * len(slot.shape) or not isinstance(binding.offset, int):
        return None
    flat = np.ascontiguousarray(constant).reshape(-1).view(slot.dtype.numpy)[binding.offset :]
    return np.lib.stride_tricks.as_strided(flat, shape, strides, writeable=False)


def _aligned_bytes(array: Array) -> memoryview:
    """The array's bytes on a 64-byte boundary, so that a plan can run from memory without another copy."""
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if content.ctypes.data % STORAGE_ALIGN_BYTES:
        space = np.empty(content.nbytes + STORAGE_ALIGN_BYTES, np.uint8)
        skip = -space.ctypes.data % STORAGE_ALIGN_BYTES
        space[skip : skip + content.nbytes] = content
        content = space[skip : skip + content.nbytes]
    content.flags.writeable = False
    return content.data
