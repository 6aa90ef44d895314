"""Shapes and dtypes by ONNX's own inference; symbolic dimensions are kept.

Only the shapes of big weights are passed on, so a model of any size is inferred without a copy.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import _c_api_utils

from burnish.errors import UserError
from burnish.importers.check_operators import BURNISH_DOMAIN


def infer_shapes(model: ir.Model, name: str) -> None:
    """Fill in the dtypes and shapes that ONNX can infer. The others stay unknown.

    raises:  E131 where the model contradicts itself
    """
    model.graph.opset_imports.pop("ai.onnx", None)

    def infer(proto: onnx.ModelProto) -> onnx.ModelProto:
        inferred: onnx.ModelProto = onnx.shape_inference.infer_shapes(proto, check_type=True, data_prop=True)
        return inferred

    try:
        inferred = _c_api_utils.call_onnx_api(infer, model)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise contradiction(name, error) from None
    _take_over(model.graph, ir.from_proto(inferred).graph)
    model.graph.opset_imports.setdefault(BURNISH_DOMAIN, 1)


def contradiction(name: str, error: Exception) -> UserError:
    """The error for a model that ONNX's inference finds to contradict itself."""
    return UserError(
        "E131",
        "the model's shapes or types contradict each other",
        where=name,
        why=" ".join(str(error).split()),
        hint="export the model again; check it with onnx.checker",
    )


def _take_over(graph: ir.Graph, inferred: ir.Graph) -> None:
    """Copy shapes and types by name, node by node, so subgraphs are paired correctly."""
    for node, twin in zip(graph, inferred, strict=True):
        for value, found in zip(
            node.outputs, twin.outputs, strict=False
        ):  # outputs left out at the end are not written
            value.type = found.type or value.type
            if found.shape is not None and (value.shape is None or len(value.shape) == len(found.shape)):
                value.shape = found.shape
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                _take_over(attribute.as_graph(), twin.attributes[attribute.name].as_graph())
