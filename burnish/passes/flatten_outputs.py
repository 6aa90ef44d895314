"""An output of the model whose rank only the run tells becomes its elements in a row, and a second output, its shape.

    y = If(c) {Squeeze(x) | x}    ->    y, shape = If(c) {Reshape(Squeeze(x), [-1]), Shape(Squeeze(x)) | ...}

The runtime gives callers one array of that shape. Runs after the passes, which keep the model's outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from burnish.ops.inference.infer import infer
from burnish.passes.move_into_sides import move_into_sides, ranks_of
from burnish.passes.rewrite.constants import new_initializer
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import free_name, names_taken


def flatten_outputs(model: ir.Model, context: PassContext) -> Mapping[str, str]:
    """For each such output, the name of the output that holds its shape. These come last."""
    graph = model.graph
    if not any(node.op_type == "If" for node in graph):
        return {}
    found = infer(graph, sizes=context.sizes)
    shapes: dict[str, str] = {}
    for place, value in enumerate(list(graph.outputs)):
        if value in found.tensors or len(ranks_of(value, found)) < 2:
            continue
        name, taken = str(value.name), names_taken(model)
        value.name = free_name(f"{name}/shaped", taken)
        row = new_initializer(graph, np.array([-1], np.int64), free_name(f"{name}/row", taken))
        flat = ir.Node("", "Reshape", [value, row], name=free_name(f"{name}/flat", taken))
        shape = ir.Node("", "Shape", [value], name=free_name(f"{name}/shape", taken))
        flat.outputs[0].name, flat.outputs[0].type = name, value.type
        shape.outputs[0].name, shape.outputs[0].type = shape.name, ir.TensorType(ir.DataType.INT64)
        graph.extend([flat, shape])
        graph.outputs[place] = flat.outputs[0]
        graph.outputs.append(shape.outputs[0])
        shapes[name] = str(shape.name)
    if shapes:
        move_into_sides(model, context)
    return shapes
