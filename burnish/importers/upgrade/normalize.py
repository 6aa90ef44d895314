"""BatchNormalization and GroupNormalization of old opsets."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.importers.upgrade.convert import constant, insert, refuse, replace_by, take


def batch_normalization_9(node: ir.Node, name: str) -> None:
    """spatial=0: statistics per activation, by broadcasting.    scale * (x - mean) / sqrt(var + eps) + b"""
    if take(node, "spatial", 1):
        return
    x, scale, bias, mean, variance = node.inputs
    dtype = x.dtype.numpy() if x is not None and x.dtype is not None else np.dtype(np.float32)
    epsilon = constant(node, take(node, "epsilon", 1e-5), "epsilon", dtype)
    deviation = insert(node, "Sqrt", [insert(node, "Add", [variance, epsilon], "variance")])
    centred = insert(node, "Sub", [x, mean])
    scaled = insert(node, "Mul", [insert(node, "Div", [centred, deviation]), scale])
    replace_by(node, insert(node, "Add", [scaled, bias]))


def batch_normalization_14(node: ir.Node, name: str) -> None:
    """The statistics were outputs only in training; a model for inference does not use them."""
    if node.op_type != "BatchNormalization":
        return
    used = [o.name for o in node.outputs[1:] if o.uses() or o.is_graph_output()]
    if used:
        raise refuse(node, name, "BatchNormalization in training form", f"{', '.join(map(str, used))} are used")
    if len(node.outputs) > 1:
        node.resize_outputs(1)


def group_normalization_21(node: ir.Node, name: str) -> None:
    """scale and bias were one per group, and are one per channel: each is repeated C / groups times."""
    x = node.inputs[0]
    groups = node.attributes["num_groups"].as_int()
    channels = x.shape[1] if x is not None and x.shape is not None else None
    if isinstance(channels, int):
        repeat = constant(node, [1, channels // groups], "repeat")
    else:
        size = insert(node, "Shape", [x], start=1, end=2)
        each = insert(node, "Div", [size, constant(node, [groups], "groups")])
        repeat = insert(node, "Concat", [constant(node, [1], "one"), each], axis=0)
    for index, part in ((1, "scale"), (2, "bias")):
        column = insert(node, "Reshape", [node.inputs[index], constant(node, [-1, 1], "column")], f"{part}_column")
        spread = insert(node, "Expand", [column, repeat], f"{part}_spread")
        flat = insert(node, "Reshape", [spread, constant(node, [-1], "flat")], f"{part}_flat")
        node.replace_input_with(index, flat)
