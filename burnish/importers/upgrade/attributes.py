"""Attributes that became inputs, attributes that were renamed, and what a version says without one."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.errors import UserError
from burnish.importers.upgrade.convert import constant, insert, rank_of, refuse, replace_by, set_input, take
from burnish.ops.language.node_view import SUMS_COLUMNS


def _float_dtype(node: ir.Node, name: str) -> np.dtype[np.generic]:
    """The dtype of input 0. Constants used with it must have the same dtype."""
    value = node.inputs[0]
    if value is None or value.dtype is None:
        raise refuse(
            node, name, f"the dtype of {node.op_type}'s input is unknown", "a constant of that dtype is needed"
        )
    return value.dtype.numpy()


def average_pool_19(node: ir.Node, name: str) -> None:
    """AveragePool: ONNX Runtime sums in another order since it has dilations."""
    node.meta[SUMS_COLUMNS] = True


def clip_11(node: ir.Node, name: str) -> None:
    """Clip: min and max became inputs."""
    dtype = _float_dtype(node, name)
    for index, bound in enumerate(("min", "max"), start=1):
        value = take(node, bound)
        if value is not None:
            set_input(node, index, constant(node, value, bound, dtype))


def pad_11(node: ir.Node, name: str) -> None:
    """Pad: pads and value became inputs."""
    set_input(node, 1, constant(node, take(node, "pads"), "pads"))
    value = take(node, "value")
    if value is not None:
        set_input(node, 2, constant(node, value, "value", _float_dtype(node, name)))


def slice_10(node: ir.Node, name: str) -> None:
    """Slice: starts, ends and axes became inputs."""
    for index, attribute in enumerate(("starts", "ends", "axes"), start=1):
        value = take(node, attribute)
        if value is not None:
            set_input(node, index, constant(node, value, attribute))


def split_13(node: ir.Node, name: str) -> None:
    """Split: the sizes became an input."""
    sizes = take(node, "split")
    if sizes is not None:
        set_input(node, 1, constant(node, sizes, "split"))


def split_18(node: ir.Node, name: str) -> None:
    """Split without sizes: the number of equal parts must be given."""
    if len(node.inputs) < 2 or node.inputs[1] is None:
        node.attributes["num_outputs"] = ir.AttrInt64("num_outputs", len(node.outputs))


def squeeze_13(node: ir.Node, name: str) -> None:
    """Squeeze, Unsqueeze: axes became an input."""
    axes = take(node, "axes")
    if axes is not None:
        set_input(node, 1, constant(node, axes, "axes"))


def reduce_18(node: ir.Node, name: str) -> None:
    """ReduceX: axes became an input (none or an empty list still means all)."""
    axes = take(node, "axes")
    if axes:
        set_input(node, 1, constant(node, axes, "axes"))


def topk_10(node: ir.Node, name: str) -> None:
    """TopK: k became an input."""
    set_input(node, 1, constant(node, [take(node, "k")], "k"))


def dropout_12(node: ir.Node, name: str) -> None:
    """Dropout: in inference form the ratio has no effect; it became an input, which may be left out."""
    take(node, "ratio")
    if len(node.outputs) > 1 and node.outputs[1].uses():
        node.outputs[1].dtype = ir.DataType.BOOL


def grid_sample_20(node: ir.Node, name: str) -> None:
    """GridSample: bilinear and bicubic became linear and cubic."""
    mode = take(node, "mode", "bilinear")
    renamed = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    node.attributes["mode"] = ir.AttrString("mode", renamed)


def roi_align_16(node: ir.Node, name: str) -> None:
    """RoiAlign: before opset 16 coordinates were not shifted by half a pixel."""
    mode = "coordinate_transformation_mode"
    node.attributes[mode] = ir.AttrString(mode, "output_half_pixel")


def scatter_11(node: ir.Node, name: str) -> None:
    """Scatter is ScatterElements."""
    node.op_type = "ScatterElements"


def dft_20(node: ir.Node, name: str) -> None:
    """DFT: the axis became an input; its default was 1."""
    set_input(node, 2, constant(node, take(node, "axis", 1), "axis"))


def through_floats(node: ir.Node, name: str) -> None:
    """ReduceLogSum, ReduceLogSumExp (until opset 28), Erf (until 13): once took integers; the result is truncated."""
    x = node.inputs[0]
    if x is None or x.dtype is None or x.dtype.is_floating_point():
        return
    wide = insert(node, "Cast", [x], "wide", to=ir.DataType.DOUBLE.value)
    rest = {key: attribute.value for key, attribute in node.attributes.items()}
    reduced = insert(node, node.op_type, [wide, *node.inputs[1:]], "reduced", **rest)
    replace_by(node, insert(node, "Cast", [reduced], "cut", to=x.dtype.value))


def rotary_heads(node: ir.Node, name: str) -> None:
    """RotaryEmbedding: with 3 axes, the last one holds all heads, and the number of heads must be given."""
    heads = node.attributes.get("num_heads")
    if rank_of(node.inputs[0]) == 3 and (heads is None or heads.as_int() <= 0):
        raise UserError(
            "E115",
            "RotaryEmbedding lacks its attribute 'num_heads'",
            where=f"{name}: node {node.name!r}",
            why="its input has 3 axes, of which the last holds the features of all heads",
            hint="give num_heads, or an input of 4 axes",
        )
