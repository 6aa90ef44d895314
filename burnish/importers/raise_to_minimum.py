"""Models older than opset 7 are first brought to it by ONNX's own converter."""

from __future__ import annotations

import onnx
from onnx import version_converter

from burnish.errors import UserError
from burnish.importers.infer_shapes import contradiction

MINIMUM_OPSET = 7


def raise_to_minimum(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model itself from opset 7 on, else its conversion.

    raises:  E106 where ONNX cannot convert it, E131 where it contradicts itself
    """
    version = max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=MINIMUM_OPSET)
    if version >= MINIMUM_OPSET:
        return proto
    try:
        converted: onnx.ModelProto = version_converter.convert_version(proto, MINIMUM_OPSET)
    except (RuntimeError, version_converter.ConvertError) as error:  # the converter raises these for all its failures
        raise UserError(
            "E106",
            f"opset {version} is too old",
            where=name,
            why=f"ONNX's converter to opset {MINIMUM_OPSET} says: {' '.join(str(error).split())[:200]}",
            hint=f"export with opset {MINIMUM_OPSET} or newer",
        ) from None
    try:
        _give_slopes_axes(converted)
    except onnx.shape_inference.InferenceError as error:
        raise contradiction(name, error) from None
    return converted


def _give_slopes_axes(proto: onnx.ModelProto) -> None:
    """Reshape PRelu's slopes: before opset 7 they were [C], now [C, 1, 1 ...]. ONNX's converter does not do this."""
    inferred = onnx.shape_inference.infer_shapes(proto)
    values = [*inferred.graph.input, *inferred.graph.value_info]
    ranks = {v.name: len(v.type.tensor_type.shape.dim) for v in values}
    ranks |= {t.name: len(t.dims) for t in proto.graph.initializer}
    nodes = list(proto.graph.node)
    for node in list(nodes):
        axes = list(range(1, ranks.get(node.input[0], 0) - 1)) if node.op_type == "PRelu" else []
        if axes and ranks.get(node.input[1]) == 1:
            slope = f"{node.output[0]}_slope"
            unsqueeze = onnx.helper.make_node("Unsqueeze", [node.input[1]], [slope], axes=axes)
            nodes.insert(nodes.index(node), unsqueeze)
            node.input[1] = slope
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
