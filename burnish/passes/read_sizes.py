"""A shape that a run computes is read once, and becomes dimensions that shape inference can name.

    Expand(x, s)    ->    Expand(x, Shape(z)[:-1])    z = ConstantOfShape([s..., 0]), a tensor of no elements

Only ConstantOfShape is left to the reference kernel. Expand itself gets a kernel and fuses, what reads it too, and the
run compares the sizes: a target that does not fit is refused as such (E509). Exact. Runs after `clean`, which finds
every shape that can be known.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.ops.inference.infer import infer
from burnish.passes.rewrite.constants import new_initializer
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import free_name, names_taken

SIZES = {"Expand": 1, "Tile": 1}  # which input holds them; none may be negative


def read_sizes(model: ir.Model, context: PassContext) -> int:
    """Returns the number of nodes whose sizes are dimensions now. Only of the outer graph: bodies have no kernels."""
    nodes = [n for n in model.graph if n.op_type in SIZES and n.domain == ""]
    if not nodes:
        return 0
    found, taken = infer(model.graph, sizes=context.sizes), names_taken(model)
    read: dict[ir.Value, ir.Value] = {}
    changes = 0
    for node in nodes:
        place = SIZES[node.op_type]
        sizes = node.inputs[place]
        tensor = found.tensors.get(sizes) if sizes is not None else None
        if sizes is None or tensor is None or tensor.elements is not None or tensor.array is not None:
            continue
        if tensor.rank != 1 or not isinstance(tensor.shape[0], int):
            context.report.decline(
                "read_sizes", str(node.name), "how many sizes there are is known only during the run"
            )
            continue
        if sizes not in read:
            read[sizes] = _read(model.graph, node, sizes, taken)
        node.replace_input_with(place, read[sizes])
        context.report.apply("read_sizes", str(node.name), ())
        changes += 1
    return changes


def _read(graph: ir.Graph, node: ir.Node, sizes: ir.Value, taken: set[str]) -> ir.Value:
    """The sizes again, from the shape of a tensor."""
    name = free_name(f"{node.name or sizes.name}/sizes", taken)
    zero = new_initializer(graph, np.array([0], np.int64), free_name(f"{name}/zero", taken))
    fill = ir.AttrTensor("value", ir.tensor(np.array([False])))
    longer = ir.Node("", "Concat", [sizes, zero], [ir.AttrInt64("axis", 0)], name=free_name(f"{name}/longer", taken))
    empty = ir.Node("", "ConstantOfShape", longer.outputs, [fill], name=free_name(f"{name}/empty", taken))
    shape = ir.Node("", "Shape", empty.outputs, [ir.AttrInt64("end", -1)], name=name)
    for made, dtype in ((longer, ir.DataType.INT64), (empty, ir.DataType.BOOL), (shape, ir.DataType.INT64)):
        made.outputs[0].name, made.outputs[0].type = made.name, ir.TensorType(dtype)
    graph.insert_before(node, [longer, empty, shape])
    return shape.outputs[0]
