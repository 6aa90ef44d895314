"""Programs made by hand, of pointwise kernels, and plans of them: what tests of emission and of the runtime share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx

from burnish.devices.cpu.processor import best_target
from burnish.dims import Dim, bounds, product
from burnish.dtypes import DType
from burnish.kernels.arena import Arena
from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Branch, Kernel, Launch, Loops, Program, ReferenceStep, Step, Storage, Store
from burnish.ops.language.expr import Axis, Expr, axis, load
from burnish.plan.manifest import Manifest, SymbolRange, TensorSpec
from burnish.plan.plan import Plan
from burnish.target import Target
from burnish.targets.cpu import program as program_module
from burnish.targets.cpu.program import CpuCompiler
from burnish.targets.cpu.templates import template_of

F32 = DType.F32
Function = Callable[..., Expr]


class Maker:
    """Collects storages and steps. Tensors are f32 vectors of `n` elements unless said otherwise."""

    def __init__(self, n: Dim = 64, symbols: dict[str, tuple[int, int, int]] | None = None) -> None:
        self.n, self.symbols = n, symbols or {}
        self.storages: list[Storage] = []
        self.constants: dict[int, np.ndarray[Any, Any]] = {}
        self.inputs: list[TensorSpec] = []
        self.outputs: list[TensorSpec] = []
        self.steps: list[Step] = []

    def storage(self, kind: str, shape: Sequence[Dim] | None = None, dtype: DType = F32, name: str = "") -> int:
        shape = (self.n,) if shape is None else shape
        number = len(self.storages)
        self.storages.append(Storage(number, kind, product(shape) * dtype.size_bytes, name))
        return number

    def input(self, name: str, shape: Sequence[Dim] | None = None, dtype: DType = F32) -> int:
        number = self.storage("input", shape, dtype, name)
        self.inputs.append(TensorSpec(name, dtype, tuple((self.n,) if shape is None else shape), number))
        return number

    def output(self, name: str, shape: Sequence[Dim] | None = None, dtype: DType = F32, kind: str = "output") -> int:
        number = self.storage(kind, shape, dtype, name)
        self.outputs.append(TensorSpec(name, dtype, tuple((self.n,) if shape is None else shape), number))
        return number

    def constant(self, array: np.ndarray[Any, Any]) -> int:
        number = self.storage("constant", array.shape, DType.of(array.dtype))
        self.constants[number] = array
        return number

    def pointwise(self, function: Function, *storages: int, n: Dim | None = None, name: str = "") -> Launch:
        """The last storage = function of the others, elementwise."""
        launch = pointwise(function, *storages, n=self.n if n is None else n, name=name or f"step {len(self.steps)}")
        self.steps.append(launch)
        return launch

    def reference(
        self, op_type: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], **attributes: Any
    ) -> None:
        self.steps.append(reference(op_type, inputs, outputs, **attributes))

    def ref(self, name: str, storage: int, shape: Sequence[Dim] | None = None, dtype: DType = F32) -> TensorSpec:
        return TensorSpec(name, dtype, tuple((self.n,) if shape is None else shape), storage)

    def branch(self, condition: int, then: Sequence[Step], otherwise: Sequence[Step]) -> None:
        self.steps.append(Branch("if", Binding(condition), tuple(then), tuple(otherwise)))

    def program(self) -> Program:
        tensors = tuple(self.inputs), tuple(self.outputs)
        return Program(self.symbols, *tensors, tuple(self.storages), self.constants, tuple(self.steps))

    def plan(self, targets: Sequence[Target] = (), spread: bool = False, from_data: Sequence[str] = ()) -> Plan:
        return plan_of(self.program(), targets or [best_target()], spread, from_data)


def pointwise(function: Function, *storages: int, n: Dim, name: str = "step") -> Launch:
    i = Axis("i0", n)
    slots = tuple(Slot(F32, (n,), (1,)) for _ in storages)
    last = len(storages) - 1
    value = function(*(load(s, F32, (axis(i),)) for s in range(last)))
    kernel = Loops(slots, (i,), (Store(last, (axis(i),), value),))
    return Launch(kernel, tuple(Binding(s) for s in storages), (last,), name, (name,))


def reference(
    op_type: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], **attributes: Any
) -> ReferenceStep:
    node = onnx.helper.make_node(op_type, [t.name for t in inputs], [t.name for t in outputs], **attributes)

    def info(t: TensorSpec) -> onnx.ValueInfoProto:
        shape = [n if isinstance(n, int) else str(n) for n in t.shape]
        return onnx.helper.make_tensor_value_info(t.name, t.dtype.onnx, shape)

    graph = onnx.helper.make_graph([node], "step", [info(t) for t in inputs], [info(t) for t in outputs])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    return ReferenceStep(f"/{op_type}", op_type, model.SerializeToString(), tuple(inputs), tuple(outputs))


def arena_of(program: Program) -> Arena:
    """One after the other; nothing shared."""
    ranges = program.ranges
    offsets, end = {}, 0
    for s in program.storages:
        if s.kind == "arena":
            offsets[s.number] = end
            end += -(-bounds(s.size_bytes, ranges)[1] // 64) * 64
    return Arena(offsets, end, 0)


def spread_out(program: Program, target: Target) -> dict[str, Schedule]:
    """Tactics that use all threads, however small the work."""
    kernels: dict[str, Kernel] = {s.kernel.key: s.kernel for s in program.steps if isinstance(s, Launch)}
    sizes = program.sizes
    found = {}
    for key, kernel in kernels.items():
        template = template_of(kernel)
        found[key] = next(
            s for s in template.schedules(kernel, target, sizes) if not template.options.read(s).is_serial
        )
    return found


def worth_waking(spread: bool) -> AbstractContextManager[object]:
    """Inside: however little a segment would save, all threads do it (if `spread`)."""
    return patch.object(program_module, "WORTH_WAKING_FLOP", 0 if spread else program_module.WORTH_WAKING_FLOP)


def plan_of(program: Program, targets: Sequence[Target], spread: bool = False, from_data: Sequence[str] = ()) -> Plan:
    variants, blobs = [], {}
    for target in targets:
        with worth_waking(spread):
            tactics = spread_out(program, target) if spread else {}
            variant, more = CpuCompiler(target).emit_program(program, arena_of(program), tactics)
        variants.append(variant)
        blobs.update(more)
    symbols = tuple(SymbolRange(n, *limits, from_data=n in from_data) for n, limits in program.symbols.items())
    inputs, outputs = program.inputs, program.outputs
    return Plan(Manifest("burnish test", "m", "0" * 64, {}, symbols, inputs, outputs, tuple(variants)), blobs)
