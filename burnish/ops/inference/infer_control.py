"""Shapes of If, Loop and Scan: infer their bodies, then the node's outputs.

Where branches (or rounds of a loop) disagree on a dimension, only data decides it.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence

import onnx_ir as ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.ops.language.definition import Shape, Tensor

Tensors = MutableMapping[ir.Value, Tensor]
Walk = Callable[[ir.Graph], bool]
Fresh = Callable[[ir.Value, int], Dim]
Outputs = list[Tensor | None]


def infer_if(node: ir.Node, tensors: Tensors, walk: Walk, fresh: Fresh) -> Outputs:
    """Infer both branches; if the condition is known, only the branch that it picks.

    walk: tells whether a branch fits the shapes; if it does not, the other branch decides
    """
    branches = [node.attributes[name].as_graph() for name in ("then_branch", "else_branch")]
    fitting = [branch for branch in branches if walk(branch)]
    condition = tensors.get(node.inputs[0]) if node.inputs[0] is not None else None
    if condition is not None and condition.elements is not None and condition.elements[0] is not None:
        taken = branches[0 if condition.elements[0] else 1]
        return [_renamed(value, tensors.get(inner)) for value, inner in zip(node.outputs, taken.outputs)]
    results: Outputs = []
    for place, value in enumerate(node.outputs):
        sides = [tensors.get(branch.outputs[place]) for branch in fitting]
        results.append(None if None in sides or not sides else _either(value, sides[0], sides[-1], fresh))
    return results


def infer_loop(node: ir.Node, tensors: Tensors, walk: Walk, fresh: Fresh) -> Outputs:
    """Carried values keep their shape where the body does; scan outputs get a leading axis that data decides."""
    body = node.attributes["body"].as_graph()
    carried = list(node.inputs[2:])
    tensors[body.inputs[0]] = Tensor(body.inputs[0].name or "", DType.I64, ())
    tensors[body.inputs[1]] = Tensor(body.inputs[1].name or "", DType.BOOL, ())
    _carry(body, 2, 1, carried, tensors, walk, fresh)
    results: Outputs = []
    for i, value in enumerate(node.outputs):
        inner = tensors.get(body.outputs[1 + i])
        if i < len(carried):
            initial = carried[i]
            results.append(_either(value, inner, tensors.get(initial) if initial is not None else None, fresh))
        else:
            stacked = None if inner is None else Tensor("", inner.dtype, (fresh(value, 0), *inner.shape))
            results.append(_renamed(value, stacked))
    return results


def infer_scan(node: ir.Node, tensors: Tensors, walk: Walk, fresh: Fresh) -> Outputs:
    """Scan inputs lose the axis that is scanned; scan outputs get it back."""
    body = node.attributes["body"].as_graph()
    count = node.attributes["num_scan_inputs"].as_int()
    states = list(node.inputs[: len(node.inputs) - count])
    scanned = [tensors[v] for v in node.inputs[len(states) :] if v is not None and v in tensors]
    if len(scanned) != count:
        return [None] * len(node.outputs)
    axes = _axes(node, "scan_input_axes", count)
    length = scanned[0].shape[axes[0] % scanned[0].rank]
    for value, tensor, axis in zip(body.inputs[len(states) :], scanned, axes):
        a = axis % tensor.rank
        tensors[value] = Tensor(value.name or "", tensor.dtype, tensor.shape[:a] + tensor.shape[a + 1 :])
    _carry(body, 0, 0, states, tensors, walk, fresh)
    results: Outputs = []
    out_axes = _axes(node, "scan_output_axes", len(node.outputs) - len(states))
    for i, value in enumerate(node.outputs):
        inner = tensors.get(body.outputs[i])
        if inner is not None and i >= len(states):
            a = out_axes[i - len(states)] % (inner.rank + 1)
            inner = Tensor(inner.name, inner.dtype, (*inner.shape[:a], length, *inner.shape[a:]))
        results.append(_renamed(value, _without_content(inner)))
    return results


CONTROL: dict[str, Callable[[ir.Node, Tensors, Walk, Fresh], Outputs]] = {
    "If": infer_if,
    "Loop": infer_loop,
    "Scan": infer_scan,
}


def _carry(
    body: ir.Graph,
    first_input: int,
    first_output: int,
    initial: Sequence[ir.Value | None],
    tensors: Tensors,
    walk: Walk,
    fresh: Fresh,
) -> None:
    """Walk the body with the carried values' first shapes; if a round changes one, again with those dims open."""
    inside = body.inputs[first_input : first_input + len(initial)]
    for value, outer in zip(inside, initial):
        tensor = tensors.get(outer) if outer is not None else None
        if tensor is not None:
            tensors[value] = Tensor(value.name or "", tensor.dtype, tensor.shape)
    before = set(tensors)
    walk(body)
    changed: dict[ir.Value, Tensor] = {}
    for value, outcome in zip(inside, body.outputs[first_output:]):
        first, last = tensors.get(value), tensors.get(outcome)
        if first is not None and last is not None and first.shape != last.shape and first.rank == last.rank:
            changed[value] = Tensor(first.name, first.dtype, _open(value, first.shape, last.shape, fresh))
    if changed:
        for value in set(tensors) - before:
            del tensors[value]
        tensors.update(changed)
        walk(body)


def _either(value: ir.Value, one: Tensor | None, other: Tensor | None, fresh: Fresh) -> Tensor | None:
    if one is None or other is None:  # the body of a loop cannot tell
        return _renamed(value, one or other)
    if one.rank != other.rank or one.dtype is not other.dtype:
        return None
    elements = one.elements if one.elements == other.elements else None
    return Tensor(value.name or "", one.dtype, _open(value, one.shape, other.shape, fresh), elements)


def _open(value: ir.Value, one: Shape, other: Shape, fresh: Fresh) -> Shape:
    return tuple(a if a == b else fresh(value, axis) for axis, (a, b) in enumerate(zip(one, other)))


def _renamed(value: ir.Value, tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else Tensor(value.name or "", tensor.dtype, tensor.shape, tensor.elements)


def _without_content(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else Tensor(tensor.name, tensor.dtype, tensor.shape)


def _axes(node: ir.Node, name: str, count: int) -> Sequence[int]:
    return node.attributes[name].as_ints() if name in node.attributes else (0,) * count
