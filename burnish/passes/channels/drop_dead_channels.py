"""Take channels that are 0 whatever the input is out of the graph, with the weights that make and read them.

    Conv(Relu(Conv(x, V) + b), W)   ->   the same without rows k of V and b, and columns k of W      V[k] = 0, b[k] = 0

As pruning leaves them. Exact but for the sign of a zero. So many stay that the number remains a multiple of STEP, since
vectors and matrix units work in such steps. Runs after batch normalisation and biases are folded.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.channels.groups import Group, find_groups, zeros
from burnish.passes.rewrite.constants import Array, constant_integers, new_initializer
from burnish.passes.rewrite.context import PassContext

STEP = 8


def drop_dead_channels(model: ir.Model, context: PassContext) -> int:
    """Returns how many groups of tensors became narrower."""
    changes = 0
    for group in list(find_groups(model.graph)):
        if not any(maker.is_zero().any() for maker in group.makers):
            continue
        kept = _kept(group)
        if len(kept) < group.size:
            keep_channels(group, kept)
            changes += 1
    return changes


def keep_channels(group: Group, kept: Array) -> None:
    """Narrow the tensors and constants of a group to these channels. kept: their numbers, in order."""
    for part in group.slices:
        old = part.node.inputs[part.number]
        new = new_initializer(group.graph, np.take(part.array, kept, part.axis), f"{old.name if old else ''}.kept")
        part.node.replace_input_with(part.number, new)
        if part.node.attributes.get_int("group", 1) == group.size > 1:
            part.node.attributes["group"] = ir.AttrInt64("group", len(kept))
    for value, axis in group.values.items():
        assert value.shape is not None
        value.shape = ir.Shape([len(kept) if a == axis else d for a, d in enumerate(value.shape)])
        node = value.producer()
        if node is not None and node.op_type == "Reshape":
            _reshape_to(node, group.graph, axis, len(kept))


def _kept(group: Group) -> Array:
    """The channels that stay: those that a product reads and that may differ from 0, and some more up to a step."""
    known = zeros(group)
    dead = np.logical_and.reduce([known[value] for value in group.read])
    dead &= np.logical_and.reduce([_is_finite(reader.array, reader.axis) for reader in group.readers])
    alive = np.flatnonzero(~dead)
    wanted = min(max(-(-len(alive) // STEP) * STEP, 1), group.size)
    return np.sort(np.concatenate([alive, np.flatnonzero(dead)[: wanted - len(alive)]]))


def _is_finite(weight: Array, axis: int) -> Array:
    """bool[channels]: 0 times these weights is 0."""
    others = tuple(a for a in range(weight.ndim) if a != axis)
    return np.asarray(np.isfinite(weight).all(others))


def _reshape_to(node: ir.Node, graph: ir.Graph, axis: int, size: int) -> None:
    wanted = list(constant_integers(node.inputs[1]) or ())
    if wanted[axis] > 0:
        wanted[axis] = size
        node.replace_input_with(1, new_initializer(graph, np.array(wanted, np.int64), f"{node.name}.shape"))
