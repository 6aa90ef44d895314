"""Infer all shapes, write them back, and fold the shape arithmetic whose result is known.

    Shape(x) with x f32[1,64,H,W], Gather 1      ->  64
    Reshape(x, Concat(Shape(x)[0], 768))         ->  Reshape(x, [0, 768])      an unknown size is copied or -1

Only integers and bools are folded here; `fold_constants` folds floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.dims import Dim
from burnish.ops.inference.infer import Inferred, infer
from burnish.ops.language.definition import Tensor
from burnish.passes.rewrite.constants import constant_array, is_constant, new_initializer
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import each_graph, replace_by_constant

CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})


def fold_shapes(model: ir.Model, context: PassContext) -> int:
    """Returns the number of values that became constants (writing back shapes is no change)."""
    inferred = infer(model.graph, sizes=context.sizes)
    changes = 0
    for graph in each_graph(model):
        for value in graph.inputs:
            write_back(value, inferred)
        for node in graph:
            for value in node.outputs:
                write_back(value, inferred)
                if value not in inferred.tensors and not value.is_graph_output():
                    value.shape = None  # what the file tells may be the shape of one side of an If
                changes += _fold(node, value, inferred.tensors.get(value))
            if node.op_type == "Reshape" and node.domain == "":
                changes += _fold_reshape(node, inferred)
    return changes


def write_back(value: ir.Value, inferred: Inferred) -> None:
    """Set a value's shape and dtype to the inferred ones."""
    tensor = inferred.tensors.get(value)
    if tensor is not None:
        value.shape = ir.Shape([d if isinstance(d, int) else str(d) for d in tensor.shape])
        value.type = ir.TensorType(ir.DataType(tensor.dtype.onnx))


def _fold(node: ir.Node, value: ir.Value, tensor: Tensor | None) -> int:
    if tensor is None or node.op_type in CONTROL_FLOW or not (value.uses() or value.is_graph_output()):
        return 0
    if not (tensor.dtype.is_integer or tensor.dtype.value == "bool"):
        return 0
    if node.op_type == "Identity" and is_constant(node.inputs[0]):
        return 0  # an output that is a constant: this is its final form
    content: Any = tensor.array
    if content is None:
        if tensor.elements is None or not all(_is_known(e) for e in tensor.elements):
            return 0
        content = tensor.elements
    if not all(isinstance(d, int) for d in tensor.shape):
        return 0
    shape = tuple(int(d) for d in tensor.shape)  # type: ignore[arg-type]
    replace_by_constant(value, np.array(content, dtype=tensor.dtype.numpy).reshape(shape))
    return 1


def _fold_reshape(node: ir.Node, inferred: Inferred) -> int:
    """Fold a computed target shape if at most one dimension is neither known nor copied from the input."""
    target, source = node.inputs[1], inferred.tensors.get(node.inputs[0]) if node.inputs[0] is not None else None
    result = inferred.tensors.get(node.outputs[0])
    if target is None or source is None or result is None:
        return 0
    wanted = reshape_target(source.shape, result.shape)
    if wanted is None or any(d == 0 for d in (*source.shape, *result.shape)):
        return 0
    current = constant_array(target)
    if current is not None and not any(c < 1 <= w for c, w in zip(current.tolist(), wanted, strict=True)):
        return 0  # nothing new is known
    assert node.graph is not None
    node.attributes.pop("allowzero", None)
    name = f"{node.name}/shape"
    node.replace_input_with(1, new_initializer(node.graph, np.array(wanted, dtype=np.int64), name))
    return 1


def reshape_target(source: tuple[Dim, ...], result: tuple[Dim, ...]) -> list[int] | None:
    """The shape input that gives `result`: ints, 0 for a dimension copied from the same axis, at most one -1."""
    target: list[int] = []
    for axis, d in enumerate(result):
        if isinstance(d, int):
            target.append(d)
        elif axis < len(source) and source[axis] == d:
            target.append(0)
        else:
            target.append(-1)
    return target if target.count(-1) <= 1 else None


def _is_known(element: object) -> bool:
    return isinstance(element, bool | int | np.integer | np.bool_)
