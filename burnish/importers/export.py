"""Write a graph as ONNX that older tools can open: its opset is the oldest that has every node as it is.

Inside Burnish all graphs have the newest opset. Most graphs do not need it, and other tools refuse an opset that is too
new even if they could run the graph.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from burnish.importers.upgrade import TARGET_OPSET

OLDEST_LABEL = 21  # the last version that changed an operator's meaning (GroupNormalization), not only its inputs


def export_model(model: ir.Model) -> onnx.ModelProto:
    """The model as a proto; the model itself is not changed."""
    proto: onnx.ModelProto = ir.to_proto(model)
    label = oldest_label(model)
    for entry in proto.opset_import:
        if entry.domain == "":
            entry.version = label
    return proto


def oldest_label(model: ir.Model) -> int:
    """The oldest opset, not before OLDEST_LABEL, that has every node with its inputs, attributes and types."""
    nodes = [n for n in model.graph.all_nodes() if n.domain == ""]
    for version in range(OLDEST_LABEL, TARGET_OPSET):
        if all(_fits(node, version) for node in nodes):
            return version
    return TARGET_OPSET


def _fits(node: ir.Node, version: int) -> bool:
    try:
        schema = onnx.defs.get_schema(node.op_type, version)
    except onnx.defs.SchemaError:
        return False
    if schema.deprecated or any(name not in schema.attributes for name in node.attributes):
        return False
    if len(node.inputs) > schema.max_input or len(node.outputs) > schema.max_output:
        return False
    allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    for index, value in enumerate(node.inputs):
        if value is not None and value.dtype is not None and isinstance(value.type, ir.TensorType):
            formal = schema.inputs[min(index, len(schema.inputs) - 1)]
            if f"tensor({_type_name(value.dtype)})" not in allowed.get(formal.type_str, [formal.type_str]):
                return False
    return True


def _type_name(dtype: ir.DataType) -> str:
    return str(dtype.name).lower()
