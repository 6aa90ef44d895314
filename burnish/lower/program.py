"""`lower`: an optimised graph and its profile become a Program, and a Program an arena."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from burnish.dims import symbols
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.kernels.abilities import Abilities
from burnish.kernels.arena import Arena
from burnish.kernels.lift_numbers import lift_numbers
from burnish.kernels.mark_zeros import mark_zeros
from burnish.kernels.task import Program
from burnish.lower.buffers import Buffers
from burnish.lower.index_checks import traces_of
from burnish.lower.lowering import Lowering, ScopeLowering
from burnish.lower.memory.lifetimes import lifetimes_of
from burnish.lower.memory.plan_arena import plan_arena
from burnish.lower.memory.renew_halos import renew_halos
from burnish.lower.placement import Placement
from burnish.ops.inference.infer import Inferred, unsupported
from burnish.ops.language.definition import Tensor
from burnish.plan.manifest import OutputShape, TensorSpec


def lower(
    graph: ir.Graph,
    inferred: Inferred,
    ranges: Mapping[str, tuple[int, int, int]],
    abilities: Abilities,
    workspace: int | None = None,
    index_checks: bool = True,
    shape_outputs: Mapping[str, str] | None = None,
) -> Program:
    """Kernel launches and steps for the whole graph.

    ranges:    min, opt, max of every symbol of the inputs' shapes
    workspace: bytes that one tactic may need besides its inputs and outputs; tactics that need more are left out, and
               the program's notes say so
    index_checks: refuse runs with an index out of range; otherwise the nearest valid index is taken
    shape_outputs: for outputs that hold elements in a row, the name of the output that holds the shape
    raises:    E210, E211 for a value that is no numeric tensor
    """
    opt = {name: value[1] for name, value in ranges.items()} | dict.fromkeys(inferred.from_data, 1)
    sizes = {name: (low, high) for name, (low, _, high) in ranges.items()}
    buffers = Buffers(frozenset(inferred.from_data), abilities.packs_half, abilities.byte_tiles, sizes)
    traces = traces_of(inferred, index_checks)
    shared = Lowering(inferred, buffers, opt, dict(graph.opset_imports), abilities, sizes, workspace, traces=traces)
    inputs = [_input(value, shared) for value in graph.inputs if value.name not in graph.initializers]
    outputs: dict[str, TensorSpec] = {}
    shape_outputs = shape_outputs or {}
    into: dict[Tensor, Placement] = {}
    for value in graph.outputs:
        tensor = _surface(value, inferred, "output")
        if tensor not in into:
            is_open = any(symbols(n) & buffers.from_data for n in tensor.shape)
            is_open |= value.name in {*shape_outputs, *shape_outputs.values()}
            into[tensor] = buffers.dense("dynamic" if is_open else "output", tensor)
        name = value.name or ""
        outputs[name] = TensorSpec(name, tensor.dtype, tensor.shape, into[tensor].storage)
    shapes = tuple(OutputShape(name, outputs.pop(shape)) for name, shape in shape_outputs.items())
    steps = [*ScopeLowering(shared, graph, into).run(), *shared.traces.checks]
    used = {name for t in inputs for n in t.shape for name in symbols(n)}
    table = {name: ranges[name] for name in ranges if name in used}
    table |= dict.fromkeys(sorted(inferred.from_data), (0, 1, 0))
    program = Program(
        table,
        tuple(inputs),
        tuple(outputs.values()),
        tuple(buffers.storages),
        buffers.constants,
        tuple(steps),
        shared.declined,
        buffers.geometry,
        (*shared.notes, *(f"only a run tells the rank of output '{name}': an If decides it" for name in shape_outputs)),
        workspace,
        shapes,
        buffers.fills,
        {tensor.name: (at.binding, at.slot) for tensor, at in shared.placements.items()},
    )
    program = renew_halos(lift_numbers(program), buffers.halos)
    return mark_zeros(program) if abilities.sparse_weights else program


def _input(value: ir.Value, shared: Lowering) -> TensorSpec:
    tensor = _surface(value, shared.inferred, "input")
    at = shared.placements[tensor] = shared.buffers.dense("input", tensor)
    return TensorSpec(value.name or "", tensor.dtype, tensor.shape, at.storage)


def _surface(value: ir.Value, inferred: Inferred, kind: str) -> Tensor:
    """The tensor of an input or output.

    raises: E211 if it is no tensor, has no known rank, or holds strings; E202 for a type that Burnish does not support
    """
    tensor = inferred.tensors.get(value)
    if tensor is not None and tensor.dtype is not DType.STRING:
        return tensor
    if isinstance(value.type, ir.TensorType) and value.type.dtype.value not in {t.onnx for t in DType}:
        raise unsupported(value, value.type.dtype)
    is_other = value.type is not None and not isinstance(value.type, ir.TensorType)
    raise UserError(
        "E211",
        f"{kind} '{value.name}' cannot be an {kind} of a plan",
        where=f"{kind} '{value.name}': {value.type}",
        why=f"it is {'no tensor' if is_other else 'a tensor of strings' if tensor else 'a tensor of unknown rank'}; "
        "a plan's memory is laid out from ranks and numeric types",
        hint="move that part of the model into pre- or post-processing, or make its rank known by constant axes",
    )


def plan_memory(program: Program, limit_bytes: int | None = None) -> Arena:
    """Arena offsets from the lifetimes of the temporaries, at the profile's maximum.

    raises: E320 past the limit
    """
    return plan_arena(lifetimes_of(program), limit_bytes)
