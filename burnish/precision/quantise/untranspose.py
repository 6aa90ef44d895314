"""A grouped or dilated ConvTranspose becomes a Conv, whose weight has a scale for each channel that it makes.

    stride 1        Conv(x, w'), w' is w with its taps in reverse order; pads d * (k - 1) - p
    stride s > 1    Slice(DepthToSpace(Conv(x, w'))), as split_transposed_conv.py says, for what it splits

Axis 1 of a ConvTranspose's weight counts the channels of one group, so all groups would share their scales: of a
depthwise one all channels have one scale, and what BatchNormalization left in them may differ by factors of a hundred.
Exact. Runs where codes are written, on products that get them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from burnish.passes.quantised.split_transposed_conv import TO_THE_END, by_place
from burnish.passes.rewrite.constants import Array, constant_array, new_initializer
from burnish.precision.quantise.points import Point


def as_convolution(graph: ir.Graph, point: Point) -> Point:
    """The point of the Conv that now does its work; the same point, if nothing was to be done or is known."""
    node, weight = point.node, constant_array(point.weight)
    if node.op_type != "ConvTranspose" or weight is None:
        return point
    attributes, axes = node.attributes, weight.ndim - 2
    strides, dilations = (attributes.get_ints(name, (1,) * axes) for name in ("strides", "dilations"))
    groups, is_dilated = attributes.get_int("group", 1), any(d != 1 for d in dilations)
    if groups == 1 and not is_dilated:
        return point
    if attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in attributes:
        return point
    if all(s == 1 for s in strides):
        return _reversed(graph, point, weight, dilations)
    if is_dilated or axes != 2 or len(set(strides)) > 1:
        return point
    return _split(graph, point, weight, strides[0])


def _reversed(graph: ir.Graph, point: Point, weight: Array, dilations: Sequence[int]) -> Point:
    node, axes = point.node, weight.ndim - 2
    attributes = node.attributes
    groups, pads = attributes.get_int("group", 1), attributes.get_ints("pads", (0,) * 2 * axes)
    extra = attributes.get_ints("output_padding", (0,) * axes)
    reach = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:])]
    before = [r - p for r, p in zip(reach, pads)]
    after = [r - p + e for r, p, e in zip(reach, pads[axes:], extra)]
    if min(*before, *after) < 0:
        return point  # it cuts what a Conv would not make
    return _become_conv(graph, point, by_place(weight, groups, 1), [*before, *after])


def _split(graph: ir.Graph, point: Point, weight: Array, stride: int) -> Point:
    node, attributes = point.node, point.node.attributes
    groups, pads = attributes.get_int("group", 1), attributes.get_ints("pads", (0, 0, 0, 0))
    output_padding = attributes.get_ints("output_padding", (0, 0))
    kernel, taps = weight.shape[2:], [-(-k // stride) for k in weight.shape[2:]]
    extra = [max(0, -(-(k + o - t * stride) // stride)) for k, o, t in zip(kernel, output_padding, taps)]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    known = None if bias is None else constant_array(bias)
    if bias is not None:
        if known is None:
            return point
        node.replace_input_with(2, new_initializer(graph, np.repeat(known, stride**2), f"{node.name}/bias"))
    before = [t - 1 for t in taps]
    found = _become_conv(
        graph, point, by_place(weight, groups, stride), [*before, *(b + e for b, e in zip(before, extra))]
    )
    begin = list(pads[:2])
    end = [(t + e) * stride - k - o + p for t, e, k, o, p in zip(taps, extra, kernel, output_padding, pads[2:])]
    result = node.outputs[0]
    placed = ir.node("DepthToSpace", [result], {"blocksize": stride, "mode": "CRD"}, name=f"{node.name}/place")
    ends = [-n if n else TO_THE_END for n in end]
    numbers = [new_initializer(graph, np.array(n, np.int64), f"{node.name}/cut") for n in (begin, ends, [2, 3])]
    cut = ir.node("Slice", [placed.outputs[0], *numbers], name=f"{node.name}/cut")
    last = cut.outputs[0]
    last.type, last.shape = result.type, result.shape
    result.replace_all_uses_with(last, replace_graph_outputs=True)
    placed.replace_input_with(0, result)
    result.name, last.name = f"{result.name}/by_place", result.name
    result.shape, placed.outputs[0].type = None, result.type
    graph.insert_after(node, [placed, cut])
    return found


def _become_conv(graph: ir.Graph, point: Point, weight: Array, pads: list[int]) -> Point:
    node, value = point.node, new_initializer(graph, weight, f"{point.weight.name}/reversed")
    node.op_type = "Conv"
    for name in ("output_padding", "strides", "kernel_shape"):
        node.attributes.pop(name, None)
    node.attributes["pads"] = ir.AttrInt64s("pads", pads)
    node.replace_input_with(1, value)
    return Point(node, point.data, value, 0)
