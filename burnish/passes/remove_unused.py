"""Remove nodes, outputs and initializers that nothing reads."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import each_graph, is_used


def remove_unused(model: ir.Model, context: PassContext) -> int:
    """Walk from the last node to the first, so one walk removes whole chains.

    Subgraphs come before their node's inputs.
    """
    changes = _remove_nodes(model.graph)
    for graph in each_graph(model):
        for name, value in list(graph.initializers.items()):
            if not value.uses() and not value.is_graph_output() and not value.is_graph_input():
                del graph.initializers[name]
                changes += 1
    return changes


def _remove_nodes(graph: ir.Graph) -> int:
    changes = 0
    for node in reversed(graph):
        if not is_used(node):
            graph.remove(node, safe=True)
            changes += 1
            continue
        changes += _drop_optional_outputs(node)
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                changes += _remove_nodes(attribute.as_graph())
    return changes


def _drop_optional_outputs(node: ir.Node) -> int:
    """Remove unused outputs at the end of the list, if the operator declares them optional."""
    if not onnx.defs.has(node.op_type, node.domain):
        return 0
    schema = onnx.defs.get_schema(node.op_type, node.domain)
    needed = len(node.outputs)
    while needed > max(1, schema.min_output) and _is_optional(schema, needed - 1):
        last = node.outputs[needed - 1]
        if last.uses() or last.is_graph_output():
            break
        needed -= 1
    dropped = len(node.outputs) - needed
    if dropped:
        node.resize_outputs(needed)
    return dropped


def _is_optional(schema: onnx.defs.OpSchema, index: int) -> bool:
    declared = schema.outputs[index] if index < len(schema.outputs) else schema.outputs[-1]
    return bool(declared.option == onnx.defs.OpSchema.FormalParameterOption.Optional)
