"""Common subexpressions: equal operators on equal inputs are computed once; equal small constants are kept once.

A subgraph reuses values that the graphs around it compute before it. Random operators and control flow do not change.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from burnish.passes.fold_constants import NEVER
from burnish.passes.rewrite.constants import constant_array
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import each_graph, replace_value

SMALL_BYTES = 1 << 16
DISTINCT = NEVER - {"Constant", "DequantizeLinear", "Identity"}

Key = tuple[Any, ...]


def merge_equal(model: ir.Model, context: PassContext) -> int:
    """One walk in order, so whole equal chains merge."""
    changes = sum(_merge_constants(graph) for graph in each_graph(model))
    return changes + _merge_nodes(model.graph, {})


def _merge_constants(graph: ir.Graph) -> int:
    first: dict[Key, ir.Value] = {}
    changes = 0
    for value in list(graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or tensor.dtype == ir.DataType.STRING or tensor.nbytes > SMALL_BYTES or not value.uses():
            continue
        array = constant_array(value)
        assert array is not None
        kept = first.setdefault((tensor.dtype, array.shape, array.tobytes()), value)
        if kept is not value and not value.is_graph_output():
            value.replace_all_uses_with(kept)
            changes += 1
    return changes


def _merge_nodes(graph: ir.Graph, outer: dict[Key, ir.Node]) -> int:
    seen = dict(outer)
    changes = 0
    for node in graph:
        subgraphs = [a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]
        if subgraphs:
            changes += sum(_merge_nodes(s, seen) for s in subgraphs)
            continue
        if node.op_type in DISTINCT or not node.inputs:
            continue
        kept = seen.setdefault(_key(node), node)
        if kept is not node and _merge(graph, kept, node):
            changes += 1
    return changes


def _key(node: ir.Node) -> Key:
    attributes = tuple(sorted((k, a.type, _frozen(a)) for k, a in node.attributes.items()))
    return (node.domain, node.op_type, tuple(id(v) for v in node.inputs), attributes, len(node.outputs))


def _frozen(attribute: ir.Attr) -> Any:
    if attribute.type == ir.AttributeType.TENSOR:
        tensor = attribute.as_tensor()
        if tensor.dtype == ir.DataType.STRING:
            return (tensor.dtype, tuple(tensor.shape), tuple(tensor.numpy().reshape(-1).tolist()))
        return (tensor.dtype, tuple(tensor.shape), tensor.tobytes())
    value = attribute.value
    return tuple(value) if isinstance(value, list | tuple) else value


def _merge(graph: ir.Graph, kept: ir.Node, node: ir.Node) -> bool:
    """Merge a node into an equal one.

    Two equal outputs of the graph stay two nodes: merging them would only make a copy.
    """
    for ours, theirs in zip(kept.outputs, node.outputs, strict=True):
        if theirs.is_graph_output() and (ours.is_graph_output() or kept.graph is not graph):
            return False
    for ours, theirs in zip(kept.outputs, node.outputs, strict=True):
        replace_value(graph, theirs, ours)
    graph.remove(node, safe=True)
    return True
