"""Take back what rounded weights add to a product's sums, on average over the samples of calibration.

    sum_k x[k] * (wq[k, n] - w[k, n])   is on average   sum_k mean(x[k]) * (wq[k, n] - w[k, n])   =   what bias[n] loses

Data that are never negative have means far from 0, so the rounding errors of a channel's weights do not cancel. The
bias stays f32, and costs nothing where there is one. Source: Nagel et al. 2019 (Data-Free Quantization), 4.2.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import Array, constant_array, new_initializer
from burnish.precision.quantise.points import Point


def shift_of_sums(point: Point, means: Array, difference: Array) -> Array | None:
    """What the sums of each output channel gain, f64; None where the means do not fit the weight.

    difference: the rounded weight less the weight, f64
    """
    node = point.node
    if node.op_type == "Conv":
        groups = node.attributes["group"].as_int() if "group" in node.attributes else 1
        if len(means) != groups * difference.shape[1]:
            return None
        taps = difference.reshape(*difference.shape[:2], -1).sum(2)  # [out, in of a group]
        own = means.astype(np.float64).reshape(groups, 1, -1)
        return np.asarray((taps.reshape(groups, -1, taps.shape[1]) * own).sum(2).reshape(-1))
    if node.op_type not in ("MatMul", "Gemm") or difference.ndim != 2:
        return None
    weight = difference if point.axis == 1 else difference.T
    is_plain = all(node.attributes[n].as_float() == 1 for n in ("alpha", "beta") if n in node.attributes)
    if (
        len(means) != len(weight)
        or not is_plain
        or ("transA" in node.attributes and node.attributes["transA"].as_int())
    ):
        return None
    return np.asarray(means.astype(np.float64) @ weight)


def subtract(graph: ir.Graph, node: ir.Node, shift: Array) -> None:
    """Lower the bias of a product by a number for each output channel; a Conv or a Gemm that has none gets one.

    The bias of a MatMul is the constant that alone is added to its result. Without one it keeps its small shift.
    """
    if node.op_type == "MatMul":
        if (found := added_constant(node.outputs[0], len(shift))) is not None:
            add, place, row = found
            lowered = (row.astype(np.float64) - shift.reshape(row.shape)).astype(np.float32)
            add.replace_input_with(place, new_initializer(graph, lowered, f"{node.name}/bias"))
        return
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    known = np.zeros(len(shift), np.float32) if bias is None else constant_array(bias)
    if known is None or known.size not in (1, len(shift)) or (known.ndim > 1 and known.shape[-1] != known.size):
        return  # computed, or of several rows
    new = (known.reshape(-1).astype(np.float64) - shift).astype(np.float32)
    value = new_initializer(graph, new, f"{node.name}/bias")
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    node.replace_input_with(2, value)


def added_constant(result: ir.Value, size: int) -> tuple[ir.Node, int, Array] | None:
    """The Add that alone reads a result, the place of its other operand, and that: a row of `size` constants."""
    users = list(result.uses())
    if len(users) != 1 or users[0].node.op_type != "Add" or result.is_graph_output():
        return None
    add, place = users[0].node, 1 - users[0].idx
    other = add.inputs[place]
    known = None if other is None else constant_array(other)
    if known is None or not known.ndim or not known.size == known.shape[-1] == size:
        return None
    return add, place, known
