"""Infer the output types of a node of an old opset from its input types: adapters write constants of these types.

A file need not state them, and ONNX infers a whole graph only with one opset, so each node is inferred separately.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx
import onnx_ir as ir

SMALL_BYTES = 1024  # of a constant whose content may decide a shape
BODY_STATES = {"Loop": ("body", 2), "Scan": ("body", 0)}  # where a body's inputs begin to pair with the node's


def fill_types(node: ir.Node, version: int, imports: Mapping[str, int]) -> None:
    """Set the type of each output, and its shape if it can be inferred. Others stay unknown."""
    _fill_body(node)
    if all(v.type is not None and v.shape is not None for v in node.outputs):
        return
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError:
        return
    types, constants = dict[str, onnx.TypeProto](), dict[str, onnx.TensorProto]()
    for value in _read(node):
        if value.type is not None and value.name:
            types[value.name] = ir.to_proto(value).type
        content = value.const_value if value.const_value is not None else ir.convenience.get_const_tensor(value)
        if content is not None and value.name and content.size * 8 <= SMALL_BYTES:
            constants[value.name] = ir.to_proto(content)
    opsets = [onnx.helper.make_opsetid(*pair) for pair in {**imports, node.domain: version}.items()]
    infer = onnx.shape_inference.infer_node_outputs
    try:
        found = infer(schema, ir.to_proto(node), types, constants, opset_imports=opsets)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, KeyError, ValueError, RuntimeError):
        return  # an input of unknown type, or a node that is not valid, which is refused later with its reason
    for value in node.outputs:
        if value.name in found:
            _take(value, found[value.name])


def _take(value: ir.Value, found: onnx.TypeProto) -> None:
    typed: ir.Value = ir.from_proto(onnx.ValueInfoProto(name=value.name, type=found))
    value.type = value.type or typed.type
    value.shape = typed.shape if value.shape is None else value.shape


def _read(node: ir.Node) -> Iterator[ir.Value]:
    """The node's inputs, and the outer values that its subgraphs read."""
    yield from (v for v in node.inputs if v is not None)
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH and not attribute.is_ref():
            graph = attribute.as_graph()
            for inner in graph.all_nodes():
                yield from (v for v in inner.inputs if v is not None and v.graph is not graph)


def _fill_body(node: ir.Node) -> None:
    """Set the types of a body's states: the types of their initial values."""
    name, first = BODY_STATES.get(node.op_type, ("", 0))
    body = node.attributes.get(name) if node.domain == "" else None
    if body is not None and body.type == ir.AttributeType.GRAPH and not body.is_ref():
        for inner, value in zip(body.as_graph().inputs[first:], node.inputs[first:]):
            if value is not None and inner.type is None:
                inner.type = value.type
