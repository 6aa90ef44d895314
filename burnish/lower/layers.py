"""Lower attention, recurrent layers and trees to their tasks. Operands become views in the task's order of axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.dims import Dim
from burnish.kernels.task import AttentionTask, RecurrentTask, TreesTask
from burnish.lower.buffers import Buffers
from burnish.lower.kernels import Slots
from burnish.lower.placement import Placement
from burnish.lower.scope import is_constant
from burnish.ops.broadcasting import spread
from burnish.ops.language.definition import Attention, Recurrent, Tensor, Trees

Placed = Callable[[Tensor], Placement]


def lower_attention(form: Attention, into: Placement, placed: Placed) -> tuple[AttentionTask, Slots]:
    """q[b,h,i,d], k[b,h',j,d], v[b,h',j,e], mask, out[b,h,i,e], each at its own strides."""
    operands = [placed(form.q), placed(form.k), placed(form.v)]
    if form.mask is not None:
        operands.append(_broadcast(placed(form.mask), (*into.shape[:3], operands[1].shape[2])))
    operands.append(into)
    slots = Slots(operands, {len(operands) - 1})
    shapes = tuple(p.slot for p in operands)
    return AttentionTask(shapes, form.scale, form.causal, form.mask is not None, form.softcap, form.codes), slots


def lower_recurrent(
    form: Recurrent, outputs: Sequence[Placement | None], placed: Placed
) -> tuple[RecurrentTask, Slots]:
    """Inputs and outputs in ONNX's order."""
    inputs = [None if t is None else placed(t) for t in form.inputs]
    results = [*outputs, *[None] * ((3 if form.kind == "LSTM" else 2) - len(outputs))]
    every = [*inputs, *results]
    operands = [p for p in every if p is not None]
    written = {i for i, p in enumerate(operands) if any(p is r for r in results)}
    task = RecurrentTask(
        tuple(p.slot for p in operands),
        form.kind,
        tuple(p is not None for p in every),
        form.hidden_size,
        form.direction,
        tuple(sorted(form.attributes.items())),
        packed=all(t is not None and is_constant(t) for t in form.inputs[1:3]),
    )
    return task, Slots(operands, written)


def lower_trees(form: Trees, into: Placement, placed: Placed, buffers: Buffers) -> tuple[TreesTask, Slots]:
    """x[row, feature], the ensemble's arrays, sums[row, target]."""
    trees = form.ensemble
    operands = [placed(form.x)]
    for name in ("nodes", "targets", "starts", "weights"):
        array = getattr(trees, name)
        if array is not None:
            operands.append(buffers.constant((trees, name), array, f"{into.storage}/{name}"))
    operands.append(into)
    slots = Slots(operands, {len(operands) - 1})
    shapes = tuple(p.slot for p in operands)
    is_listed = trees.starts is not None
    return TreesTask(shapes, trees.tree_count, form.combine, trees.modes, trees.tracks_missing, is_listed), slots


def _broadcast(placement: Placement, shape: tuple[Dim, ...]) -> Placement:
    lead = len(shape) - len(placement.shape)
    each = zip(placement.shape, placement.strides, shape[lead:])
    strides = (0,) * lead + tuple(s * spread(n, to) for n, s, to in each)
    return Placement(placement.storage, placement.dtype, shape, strides, placement.offset)
