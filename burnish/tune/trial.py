"""A trial: a program that repeats one launch. With it, a task's candidates are compiled and timed as in a plan.

Storages have their sizes at opt. Storages that are only read are inputs, those that are written are outputs, and all
are plain bytes. Each repeat reads its own copy of large constants, because a network's weights come from memory, while
its activations are still in a cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from burnish.dims import evaluate, product
from burnish.dtypes import DType
from burnish.kernels.arena import Arena
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Binding, Contraction, Kernel, Launch, Loops, Program, Storage
from burnish.ops.language.expr import walk
from burnish.plan.manifest import Manifest, SymbolRange, TensorSpec
from burnish.plan.plan import Plan
from burnish.target import Target
from burnish.targets import compiler_of, hardware_of
from burnish.targets.hardware import Rotation
from burnish.tune.fill_inputs import Contents
from burnish.tune.rotate_weights import rotate_constants
from burnish.tune.task import Task

Array = np.ndarray[Any, Any]
_ROTATED_BYTES = 4096  # smaller constants (biases) are shared by all repeats


@dataclass(frozen=True)
class Trial:
    """A task's program and the bytes of its inputs and of its outputs before a run, by name."""

    task: Task
    program: Program
    repeats: int
    inputs: dict[str, Array]
    outputs: dict[str, Array]
    _weights: dict[str, bytes | memoryview] = field(default_factory=dict)

    @property
    def is_comparable(self) -> bool:
        """Does the answer depend on the inputs alone? Not if the launch reads or keeps old content of outputs."""
        launch = self.task.launches[0]
        written = {launch.bindings[n].storage for n in launch.writes}
        read = {b.storage for n, b in enumerate(launch.bindings) if n not in launch.writes}
        return not (written & read) and _writes_all(launch.kernel, dict(self.task.sizes))

    def plan(self, schedule: Schedule, target: Target) -> Plan:
        """The trial by one schedule, compiled."""
        schedules = {self.task.kernel.key: schedule}
        variant, blobs = compiler_of(target).emit_program(self.program, Arena({}, 0, 0), schedules)
        if hardware_of(target).rotation.are_uploaded:
            variant, blobs = rotate_constants(variant, blobs, _ROTATED_BYTES)
        for name in blobs:
            if name.startswith("weights/"):  # named by their content: once for all candidates that agree on it
                blobs[name] = self._weights.setdefault(name, blobs[name])
        return Plan(
            Manifest(
                producer="burnish tune",
                model_name=self.task.summary,
                model_sha256="",
                options={},
                symbols=tuple(SymbolRange(n, *r) for n, r in self.program.symbols.items()),
                inputs=self.program.inputs,
                outputs=self.program.outputs,
                variants=(variant,),
            ),
            blobs,
        )

    @property
    def written(self) -> list[tuple[str, np.dtype[Any]]]:
        """The outputs that the launch writes: name, type of the elements."""
        launch = self.task.launches[0]
        bindings = next(step.bindings for step in self.program.steps if isinstance(step, Launch))
        slots = launch.kernel.slots
        found = [(self.program.storages[bindings[n].storage].name, slots[n].dtype.numpy) for n in launch.writes]
        return list(dict.fromkeys(found))


def make_trial(program: Program, task: Task, target: Target, contents: Contents | None = None) -> Trial:
    """The first of the task's launches as a program of its own.

    contents: those of earlier trials, which must not be changed; trials share as much as they can
    """
    launch = task.launches[0]
    opt = program.sizes
    written = {launch.bindings[n].storage for n in launch.writes}
    rotation = hardware_of(target).rotation
    slots = _first_slots(launch)
    made = _Storages(program, opt, written, slots, contents or Contents(), are_copied=not rotation.are_uploaded)
    repeats = _repeats(program, launch, opt, rotation)
    steps = tuple(replace(launch, bindings=made.bind(launch, turn)) for turn in range(repeats))
    inputs, outputs = ({s.name: made.content(s, launch) for s in made.all if s.kind == k} for k in ("input", "output"))
    return Trial(
        task,
        Program(
            {name: (value, value, value) for name, value in opt.items()},
            tuple(_bytes_of(s) for s in made.all if s.kind == "input"),
            tuple(_bytes_of(s) for s in made.all if s.kind == "output"),
            tuple(made.all),
            made.constants,
            steps,
        ),
        repeats,
        inputs,
        outputs,
    )


def launch_at_opt(launch: Launch, sizes: dict[str, int]) -> Launch:
    """The launch as a trial runs it: its offsets are numbers."""
    return replace(launch, bindings=tuple(Binding(b.storage, evaluate(b.offset, sizes)) for b in launch.bindings))


class _Storages:
    """The trial's storages while its launches are bound."""

    def __init__(
        self,
        program: Program,
        opt: dict[str, int],
        written: set[int],
        slots: Mapping[int, int],
        contents: Contents,
        are_copied: bool,
    ) -> None:
        self.program, self.opt, self.written, self.slots = program, opt, written, slots
        self.contents, self.are_copied = contents, are_copied
        self.all: list[Storage] = []
        self.constants: dict[int, Array] = {}
        self._numbers: dict[tuple[int, int], int] = {}
        self._origin: dict[int, int] = {}  # trial storage -> program storage

    def bind(self, launch: Launch, turn: int) -> tuple[Binding, ...]:
        return tuple(
            Binding(self._number(b.storage, launch, turn), evaluate(b.offset, self.opt)) for b in launch.bindings
        )

    def content(self, storage: Storage, launch: Launch) -> Array:
        """The bytes that a storage holds before a run."""
        slot = self.slots[self._origin[storage.number]]
        size = int(evaluate(storage.size_bytes, {}))
        return self.contents.of(launch.kernel, slot, size, self.opt)

    def _number(self, storage: int, launch: Launch, turn: int) -> int:
        content = self.program.constants.get(storage)
        is_large = self.are_copied and content is not None and content.nbytes >= _ROTATED_BYTES
        key = (storage, turn if is_large else 0)
        if key not in self._numbers:
            number = self._numbers[key] = len(self.all)
            self._origin[number] = storage
            kind = "constant" if content is not None else "output" if storage in self.written else "input"
            size = max(1, evaluate(self.program.storages[storage].size_bytes, self.opt))
            self.all.append(Storage(number, kind, size, f"{kind}{number}"))
            if content is not None:
                dtype = launch.kernel.slots[self.slots[storage]].dtype
                self.constants[number] = _distinct(content, dtype, turn) if is_large else content
        return self._numbers[key]


def _writes_all(kernel: Kernel, sizes: Mapping[str, int]) -> bool:
    """Is every element of every written slot stored once, and none read?"""
    if not isinstance(kernel, Loops | Contraction):
        return True
    domain = kernel.domain if isinstance(kernel, Loops) else (*kernel.pixels, kernel.n)
    points = evaluate(product(a.extent for a in domain), sizes)
    stores: dict[int, int] = {}
    for store in kernel.stores:
        stores[store.slot] = stores.get(store.slot, 0) + points
        if any(e.op == "load" and e.attr in {s.slot for s in kernel.stores} for e in walk(store.value)):
            return False
    return all(evaluate(product(kernel.slots[n].shape), sizes) <= count for n, count in stores.items())


def _first_slots(launch: Launch) -> dict[int, int]:
    """By storage, the first slot bound to it."""
    found: dict[int, int] = {}
    for n, binding in enumerate(launch.bindings):
        found.setdefault(binding.storage, n)
    return found


def _repeats(program: Program, launch: Launch, opt: dict[str, int], rotation: Rotation) -> int:
    used = {b.storage for b in launch.bindings}
    touched = sum(evaluate(program.storages[n].size_bytes, opt) for n in used)
    return int(min(rotation.most, max(rotation.fewest, -(-rotation.bytes // max(1, touched)))))


def _distinct(content: Array, dtype: DType, turn: int) -> Array:
    """The constant for one repeat: equal bytes are stored, and cached, once. Integers (indices) stay."""
    if not turn or not dtype.is_float:
        return content
    copy = np.array(content, order="C")
    flat = copy.reshape(-1).view(np.uint8)
    first = flat[: dtype.size_bytes].view(dtype.numpy)
    first[0] = np.asarray(turn / 64).astype(dtype.numpy)
    return copy


def _bytes_of(storage: Storage) -> TensorSpec:
    return TensorSpec(storage.name, DType.U8, (storage.size_bytes,), storage.number)
