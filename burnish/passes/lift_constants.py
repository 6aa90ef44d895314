"""Constant nodes become initializers, so later passes see only one form of a constant."""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.rewrite.constants import constant_array
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import each_graph, replace_by_constant


def lift_constants(model: ir.Model, context: PassContext) -> int:
    """Lift every Constant node, within its own graph.

    A constant that is itself an output is passed on by an Identity.
    """
    changes = 0
    for graph in each_graph(model):
        for node in graph:
            if node.op_type == "Constant" and node.domain == "":
                array = constant_array(node.outputs[0])
                if array is not None:
                    replace_by_constant(node.outputs[0], array)
                    graph.remove(node, safe=True)
                    changes += 1
    return changes
