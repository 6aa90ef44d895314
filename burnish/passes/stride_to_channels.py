"""A strided convolution over few channels becomes one of stride 1 over many: blocks of pixels become channels.

    Conv(x [N,3,224,224], W [64,3,7,7], strides 2, pads 3)
        ->  Conv(SpaceToDepth(Pad(x) [N,4,230,230], 2) [N,16,115,115], W' [64,16,4,4])

Pixel 2*o + r of the padded input is at position r % 2 of block o + r // 2. Matrix units need long runs of channels, so
only targets that ask for it get this pass (`PassContext.deep_images`). Exact; more multiplications by zero.

ConvInteger likewise: its zero point pads the codes. If a QuantizeLinear makes them for it alone, zeros pad what that
reads, so that one kernel pads, quantises and moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import matched
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

FEW_CHANNELS = 4


@dataclass(frozen=True)
class Geometry:
    """channels: those of zeros too; per axis: zeros before and after (to whole blocks), blocks that an output reads."""

    stride: int
    channels: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    taps: tuple[int, ...]

    @staticmethod
    def channels_of(stride: int, channels: int) -> int:
        """The smallest number that makes a block of pixels a multiple of 8 values, as copies and matrix units need."""
        return next((c for c in range(channels, 2 * FEW_CHANNELS) if c * stride**2 % 8 == 0), channels)


class StrideToChannels(Rule):
    op_types = ("Conv", "ConvInteger")

    def find(self, node: ir.Node) -> Match | Skip:
        weights, shape = constant_array(node.inputs[1]), integer_shape_but_batch(node.inputs[0])
        out = integer_shape_but_batch(node.outputs[0])
        if weights is None or shape is None or out is None or len(shape) != 4:
            return Skip(f"the weights or the sizes of {node.name} are not known, or it has not two spatial axes")
        strides = _integers(node, "strides", 1)
        if _integers(node, "dilations", 1) != [1, 1] or node.attributes.get_int("group", 1) != 1:
            return Skip(f"{node.name} has dilations or groups")
        if strides[0] != strides[1] or strides[0] < 2 or shape[1] > FEW_CHANNELS or min(weights.shape[2:]) < strides[0]:
            return Skip(f"{node.name} has many channels, or its kernel does not overlap")
        geometry = _geometry(node, strides[0], shape, out[2:], weights.shape[2:])
        if isinstance(geometry, Skip):
            return geometry
        zeros = _zero_points(node)
        if isinstance(zeros, Skip):
            return zeros
        return matched(node, (node,), weights=weights, geometry=geometry, zero=zeros)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        node, geometry = match.root, match.geometry
        weights = match.weights
        pads = [0, 0, *geometry.before, 0, geometry.channels - weights.shape[1], *geometry.after]
        padded = _padded(op, node.inputs[0], op.constant(np.array(pads, np.int64), "pads"), match.zero)
        deep = op.node("SpaceToDepth", padded, blocksize=geometry.stride)
        packed = op.constant(_deep_weights(weights, geometry), "deep_weights")
        return op.node(node.op_type, deep, packed, *node.inputs[2:])  # type: ignore[no-any-return]


def _zero_points(node: ir.Node) -> Array | Skip:
    """What pads the image: an array of one number."""
    if node.op_type == "Conv":
        return np.zeros((), np.float32)
    given = [node.inputs[n] if len(node.inputs) > n else None for n in (2, 3)]
    zero, of_weights = (np.zeros((), np.int8) if v is None else constant_array(v) for v in given)
    if zero is None or zero.size != 1:
        return Skip(f"the zero point of {node.name} is not known")
    if of_weights is None or of_weights.any():
        return Skip(f"the weights of {node.name} have zero points")
    return zero


def _padded(op: Builder, x: ir.Value | None, pads: ir.Value, zero: Array) -> ir.Value:
    assert x is not None
    quantise = x.producer()
    if not zero.any() and zero.dtype == np.float32:
        return op.Pad(x, pads)  # type: ignore[no-any-return]
    if quantise is None or quantise.op_type != "QuantizeLinear" or len(x.uses()) > 1 or x.is_graph_output():
        return op.Pad(x, pads, op.constant(zero.reshape(()).astype(x.dtype.numpy()), "zero"))  # type: ignore
    numbers = op.Pad(quantise.inputs[0], pads)
    kept = {k: a.value for k, a in quantise.attributes.items()}
    codes = op.QuantizeLinear(numbers, *quantise.inputs[1:], **kept)
    codes.type = x.type
    return codes  # type: ignore[no-any-return]


def integer_shape_but_batch(value: ir.Value | None) -> tuple[int, ...] | None:
    """An integer shape, except that the first axis may be open (it is returned as 1)."""
    if value is None or value.shape is None or len(value.shape) < 2:
        return None
    sizes = [1, *(n if isinstance(n, int) else None for n in list(value.shape)[1:])]
    return None if None in sizes else tuple(int(n) for n in sizes if n is not None)


def _geometry(
    node: ir.Node, stride: int, shape: tuple[int, ...], out: tuple[int, ...], kernel: tuple[int, ...]
) -> Geometry | Skip:
    size = shape[2:]
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    pads = _integers(node, "pads", 0, 4)
    if auto == "VALID":
        pads = [0, 0, 0, 0]
    elif auto != "NOTSET":
        total = [max((o - 1) * stride + k - n, 0) for o, k, n in zip(out, kernel, size)]
        first = [t - t // 2 if auto == "SAME_LOWER" else t // 2 for t in total]
        pads = [*first, *(t - f for t, f in zip(total, first))]
    taps = tuple(-(-k // stride) for k in kernel)
    whole = [stride * (o + t - 1) for o, t in zip(out, taps)]
    after = tuple(w - n - p for w, n, p in zip(whole, size, pads))
    if min((*pads, *after)) < 0:
        return Skip(f"{node.name} does not read its whole input")
    return Geometry(stride, Geometry.channels_of(stride, shape[1]), tuple(pads[:2]), after, taps)


def _deep_weights(weights: Array, geometry: Geometry) -> Array:
    """[O, C, R, S] -> [O, stride*stride*C', R', S'], channels in SpaceToDepth's order: row, column, channel."""
    stride, (rows, columns) = geometry.stride, geometry.taps
    o, c, r, s = weights.shape
    full = np.zeros((o, geometry.channels, rows * stride, columns * stride), weights.dtype)
    full[:, :c, :r, :s] = weights
    blocks = full.reshape(o, geometry.channels, rows, stride, columns, stride).transpose(0, 3, 5, 1, 2, 4)
    return np.ascontiguousarray(blocks).reshape(o, -1, rows, columns)


def _integers(node: ir.Node, name: str, default: int, count: int = 2) -> list[int]:
    return list(node.attributes.get_ints(name, [default] * count))
