"""Put a scale and a shift per output channel into Conv, ConvTranspose, Gemm and MatMul with constant weights.

    y = op(x, W) + b,   y * s + t  ==  op(x, W * s) + (b * s + t)       s, t: one number per output channel

Arithmetic in f64, one rounding per weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import is_shared, rank_of
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Skip

LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Linear:
    """A linear node; bias in f64 per channel, or None; `nodes`: the Add of a bias after a MatMul, then the node."""

    node: ir.Node
    weight: Array
    bias: Array | None
    channels: int
    nodes: tuple[ir.Node, ...]

    @property
    def channel_axis(self) -> int:
        """The axis of the result that holds the output channels, from the back."""
        return -1 if self.node.op_type in ("Gemm", "MatMul") else 1 - self.weight.ndim


def find_linear(value: ir.Value, user: ir.Node) -> Linear | Skip:
    """The linear node that computes `value` for `user` alone, with constant weights."""
    node = value.producer()
    if node is None or node.domain or node.graph is not user.graph:
        return Skip(f"{value.name} is not computed in this graph")
    if node.op_type == "Add":
        return _with_added_bias(node, value)
    if node.op_type not in LINEAR:
        return Skip(f"{value.name} is computed by {node.op_type}, which has no weights")
    if is_shared(value):
        return Skip(f"{node.op_type} result {value.name} has {len(value.uses())} users or is an output of the graph")
    weight = constant_array(node.inputs[1])
    if weight is None or weight.dtype.kind in "iub":
        return Skip(f"the weight of {node.name} is not a float constant")
    if node.op_type == "MatMul" and weight.ndim != 2:
        return Skip(f"the weight of {node.name} has rank {weight.ndim}, not 2")
    channels = _channels(node, weight)
    given = node.inputs[2] if len(node.inputs) > 2 else None
    bias = None if given is None else _bias(node, given, channels)
    if isinstance(bias, Skip):
        return bias
    return Linear(node, weight, bias, channels, (node,))


def per_channel(value: ir.Value | None, linear: Linear) -> Array | Skip:
    """A constant that broadcasts over the result and varies only along its channels, as f64 of shape [channels]."""
    array = constant_array(value)
    if value is None or array is None or array.dtype.kind in "iub":
        return Skip(f"{value.name if value is not None else 'the other input'} is not a float constant")
    result = linear.nodes[0].outputs[0]
    rank = linear.weight.ndim if linear.node.op_type != "MatMul" else rank_of(result)
    axis = -linear.channel_axis
    if array.ndim > (1 if rank is None else rank):
        return Skip(f"{value.name} has rank {array.ndim}, the result of {linear.node.name} {rank}")
    sizes = (1,) * (axis - array.ndim) + array.shape
    position = len(sizes) - axis
    if any(size != 1 for i, size in enumerate(sizes) if i != position) or sizes[position] not in (1, linear.channels):
        return Skip(f"{value.name} of shape {list(array.shape)} varies along more than the {linear.channels} channels")
    return np.broadcast_to(array.astype(np.float64).reshape(-1), (linear.channels,))


def find_linear_and_constant(node: ir.Node, sides: Sequence[int]) -> tuple[Linear, Array] | Skip:
    """The linear node behind input `side` of a binary node, and the other input as numbers per channel.

    sides: the inputs to try, in order. If both are refused, the refusal that got further is returned
    """
    refused = Skip(f"{node.name} meets nothing that has weights")
    for side in sides:
        value = node.inputs[side]
        before = value.producer() if value is not None else None
        if value is None or before is None or before.op_type not in (*LINEAR, "Add"):
            continue
        linear = find_linear(value, node)
        if isinstance(linear, Skip):
            refused = linear
            continue
        numbers = per_channel(node.inputs[1 - side], linear)
        if not isinstance(numbers, Skip):
            return linear, numbers
        refused = numbers
    return refused


def refuse_overflow(linear: Linear, scale: Array) -> Skip | None:
    """A Skip if a weight would leave the range of its dtype."""
    with np.errstate(over="ignore", invalid="ignore"):
        largest = np.abs(scaled_weight(linear, scale)).max(initial=0.0)
        if np.isfinite(largest.astype(linear.weight.dtype)):
            return None
    return Skip(f"a weight of {linear.node.name} would be {largest:g}, too large for {linear.weight.dtype}")


def emit_linear(op: Builder, linear: Linear, scale: Array | None, shift: Array | None) -> ir.Value:
    """A new node that computes linear * scale + shift."""
    node, dtype = linear.node, linear.weight.dtype
    weight_value = node.inputs[1]
    assert weight_value is not None
    name = f"{weight_value.name}.{op_name(node)}"
    if scale is not None:
        weight_value = op.constant(scaled_weight(linear, scale).astype(dtype), f"{name}.weight")
    bias = linear.bias
    if bias is not None and scale is not None:
        bias = bias * scale
    if shift is not None:
        bias = shift if bias is None else bias + shift
    bias_value = None if bias is None else op.constant(bias.astype(dtype), f"{name}.bias")
    attributes: dict[str, Any] = {k: a.value for k, a in node.attributes.items()}
    x = node.inputs[0]
    if node.op_type != "MatMul":
        attributes.pop("beta", None)
        inputs = (x, weight_value) if bias_value is None else (x, weight_value, bias_value)
        return op.node(node.op_type, *inputs, **attributes)  # type: ignore[no-any-return]
    if bias_value is None:
        return op.MatMul(x, weight_value)  # type: ignore[no-any-return]
    if rank_of(node.outputs[0]) == 2:
        return op.Gemm(x, weight_value, bias_value)  # type: ignore[no-any-return]
    product = op.MatMul(x, weight_value)
    product.shape, product.type = node.outputs[0].shape, node.outputs[0].type
    return op.Add(product, bias_value)  # type: ignore[no-any-return]


def op_name(node: ir.Node) -> str:
    return node.name or node.op_type


def scaled_weight(linear: Linear, scale: Array) -> Array:
    """W * s in f64, s along the output channels of W's layout."""
    weight, node = linear.weight.astype(np.float64), linear.node
    if node.op_type == "Conv":
        return weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    if node.op_type == "ConvTranspose":  # [C, O / groups, kernel ...]
        groups = _groups(node)
        split = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
        factor = scale.reshape(groups, 1, weight.shape[1], *(1,) * (weight.ndim - 2))
        return (split * factor).reshape(weight.shape)
    return weight * (scale[:, None] if _is_transposed(node) else scale)


def _with_added_bias(node: ir.Node, value: ir.Value) -> Linear | Skip:
    """MatMul(x, W) + b."""
    if is_shared(value):
        return Skip(f"Add result {value.name} has {len(value.uses())} users or is an output of the graph")
    for product, other in (tuple(node.inputs), tuple(node.inputs)[::-1]):
        before = product.producer() if product is not None else None
        if product is None or before is None or before.op_type != "MatMul":
            continue
        linear = find_linear(product, node)
        bias = per_channel(other, linear) if isinstance(linear, Linear) else linear
        if isinstance(linear, Skip) or isinstance(bias, Skip):
            return bias if isinstance(bias, Skip) else Skip(f"{value.name} adds no bias")
        return Linear(linear.node, linear.weight, bias, linear.channels, (node, linear.node))
    return Skip(f"{value.name} is an Add, but not of a bias to a MatMul")


def _channels(node: ir.Node, weight: Array) -> int:
    if node.op_type == "Conv":
        return int(weight.shape[0])
    if node.op_type == "ConvTranspose":
        return int(weight.shape[1]) * _groups(node)
    return int(weight.shape[0] if _is_transposed(node) else weight.shape[1])


def _bias(node: ir.Node, given: ir.Value, channels: int) -> Array | Skip:
    """The bias as f64 of shape [channels], times Gemm's beta."""
    array = constant_array(given)
    if array is None:
        return Skip(f"the bias of {node.name} is not constant")
    if any(d != 1 for d in array.shape[:-1]) or (array.ndim and array.shape[-1] not in (1, channels)):
        return Skip(f"the bias of {node.name} has shape {list(array.shape)}, not one number per channel")
    beta = node.attributes["beta"].as_float() if "beta" in node.attributes else 1.0
    return np.broadcast_to(array.astype(np.float64).reshape(-1) * beta, (channels,))


def _groups(node: ir.Node) -> int:
    return node.attributes["group"].as_int() if "group" in node.attributes else 1


def _is_transposed(node: ir.Node) -> bool:
    return "transB" in node.attributes and node.attributes["transB"].as_int() == 1
