"""Operators on quantised tensors: dequantise, compute in f32, quantise.    x = (q - zero) * scale

ONNX Runtime computes some of these in one step. Its result may then differ by one, at a tie.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.importers.microsoft.call import Call, V, expands


def scalar(op: Call, value: V | None) -> V | None:
    """Turn a vector of one scale or zero point into a scalar: ONNX would read a vector as one per channel."""
    if value is None or (value.shape is not None and len(value.shape) == 0):
        return value
    return op.Reshape(value, op.constant([], "scalar", np.int64))


def dequantize(op: Call, x: V, scale: V, zero: V | None) -> V:
    return op.DequantizeLinear(x, scalar(op, scale), scalar(op, zero))


def quantize(op: Call, x: V, scale: V, zero: V | None, like: V) -> V:
    """like: a tensor of the type to quantise to, if there is no zero point to tell the type."""
    zero = scalar(op, zero) or op.CastLike(op.constant(0, "zero", np.int32), like)
    return op.QuantizeLinear(x, scalar(op, scale), zero)


def to_channels_first(op: Call, x: V, rank: int) -> V:
    return op.Transpose(x, perm=[0, rank - 1, *range(1, rank - 1)])


def to_channels_last(op: Call, x: V, rank: int) -> V:
    return op.Transpose(x, perm=[0, *range(2, rank), 1])


@expands("QuantizeLinear", axis=1)
def quantize_linear(op: Call, x: V, scale: V, zero: V | None) -> V:
    return op.QuantizeLinear(x, scale, zero, axis=op.attribute("axis"))


@expands("DequantizeLinear", axis=1)
def dequantize_linear(op: Call, x: V, scale: V, zero: V | None) -> V:
    return op.DequantizeLinear(x, scale, zero, axis=op.attribute("axis"))


def round_steps(op: Call, steps: V, zero: V | None, like: V) -> V:
    """Round multiples of a scale to integers.

    ONNX Runtime adds the zero point before it rounds, which matters at ties.
    """
    if zero is not None:
        steps = op.Add(steps, op.Cast(scalar(op, zero), to=ir.DataType.FLOAT.value))
    return op.QuantizeLinear(steps, _one(op), op.CastLike(op.constant(0, "zero", np.int32), like))


@expands("QLinearAdd")
def qlinear_add(
    op: Call, a: V, a_scale: V, a_zero: V | None, b: V, b_scale: V, b_zero: V | None, c_scale: V, c_zero: V | None
) -> V:
    """Add in units of c's scale, as ONNX Runtime does: if scales are multiples of each other, ties are exact ties."""
    step = scalar(op, c_scale)
    of_a, of_b = op.Div(a_scale, step), op.Div(b_scale, step)
    return round_steps(op, op.Add(dequantize(op, a, of_a, a_zero), dequantize(op, b, of_b, b_zero)), c_zero, a)


@expands("QLinearMul")
def qlinear_mul(
    op: Call, a: V, a_scale: V, a_zero: V | None, b: V, b_scale: V, b_zero: V | None, c_scale: V, c_zero: V | None
) -> V:
    """The product of integers is exact. It is scaled once."""
    product = op.Mul(dequantize(op, a, _one(op), a_zero), dequantize(op, b, _one(op), b_zero))
    ratio = op.Div(op.Mul(scalar(op, a_scale), scalar(op, b_scale)), scalar(op, c_scale))
    return round_steps(op, op.Mul(product, ratio), c_zero, a)


def _one(op: Call) -> V:
    return op.constant(1, "one", np.float32)


@expands("QLinearSigmoid")
def qlinear_sigmoid(op: Call, x: V, x_scale: V, x_zero: V | None, y_scale: V, y_zero: V | None) -> V:
    return quantize(op, op.Sigmoid(dequantize(op, x, x_scale, x_zero)), y_scale, y_zero, x)


@expands("QLinearLeakyRelu", alpha=0.01)
def qlinear_leaky_relu(op: Call, x: V, x_scale: V, x_zero: V | None, y_scale: V, y_zero: V | None) -> V:
    y = op.LeakyRelu(dequantize(op, x, x_scale, x_zero), alpha=op.attribute("alpha"))
    return quantize(op, y, y_scale, y_zero, x)


@expands("QLinearSoftmax", axis=-1, opset=int)
def qlinear_softmax(op: Call, x: V, x_scale: V, x_zero: V | None, y_scale: V, y_zero: V) -> V:
    """Before opset 13, Softmax was over all axes from `axis` on. The node has that version, and is upgraded."""
    version, axis = op.attribute("opset"), op.attribute("axis")
    y = op.Softmax(dequantize(op, x, x_scale, x_zero), axis=axis, _version=0 if version >= 13 else 11)
    return quantize(op, y, y_scale, y_zero, x)


@expands("QLinearGlobalAveragePool", channels_last=0)
def qlinear_global_average_pool(op: Call, x: V, x_scale: V, x_zero: V, y_scale: V, y_zero: V) -> V:
    real = dequantize(op, x, x_scale, x_zero)
    if op.attribute("channels_last"):
        axes = op.constant(list(range(1, op.rank(x) - 1)), "axes", np.int64)
        y = op.ReduceMean(real, axes, keepdims=1)
    else:
        y = op.GlobalAveragePool(real)
    return quantize(op, y, y_scale, y_zero, x)


@expands("QLinearAveragePool", kernel_shape=tuple, channels_last=0)
def qlinear_average_pool(op: Call, x: V, x_scale: V, x_zero: V | None, y_scale: V, y_zero: V | None) -> V:
    real, rank = dequantize(op, x, x_scale, x_zero), len(op.attribute("kernel_shape")) + 2
    if op.attribute("channels_last"):
        pooled = op.AveragePool(to_channels_first(op, real, rank), **op.attributes("channels_last"))
        y = to_channels_last(op, pooled, rank)
    else:
        y = op.AveragePool(real, **op.attributes("channels_last"))
    return round_steps(op, op.Div(y, scalar(op, y_scale)), y_zero, x)


@expands("QLinearReduceMean", axes=tuple, keepdims=int)
def qlinear_reduce_mean(op: Call, x: V, x_scale: V, x_zero: V | None, y_scale: V, y_zero: V | None) -> V:
    axes = op.constant(list(op.attribute("axes")), "axes", np.int64)
    y = op.ReduceMean(dequantize(op, x, x_scale, x_zero), axes, keepdims=op.attribute("keepdims"))
    return quantize(op, y, y_scale, y_zero, x)


@expands("QLinearConcat", axis=int)
def qlinear_concat(op: Call, y_scale: V, y_zero: V, *parts: V | None) -> V:
    """Each part consists of x, its scale and its zero point."""
    triples = list(zip(parts[::3], parts[1::3], parts[2::3]))
    if len(parts) % 3 or any(x is None or scale is None for x, scale, _ in triples):
        raise op.refuse(f"{len(parts)} inputs are no triples of tensor, scale and zero point")
    # ONNX Runtime also takes f32 parts, which are not quantised yet
    real = [
        x if x.dtype == ir.DataType.FLOAT else dequantize(op, x, scale, zero)
        for x, scale, zero in triples
        if x is not None and scale is not None
    ]
    return quantize(op, op.Concat(*real, axis=op.attribute("axis")), y_scale, y_zero, y_zero)


@expands("QLinearWhere")
def qlinear_where(
    op: Call, condition: V, x: V, x_scale: V, x_zero: V, y: V, y_scale: V, y_zero: V, z_scale: V, z_zero: V
) -> V:
    chosen = op.Where(condition, dequantize(op, x, x_scale, x_zero), dequantize(op, y, y_scale, y_zero))
    return quantize(op, chosen, z_scale, z_zero, x)


@expands("QLinearConv", channels_last=0)
def qlinear_conv(
    op: Call,
    x: V, x_scale: V, x_zero: V, w: V, w_scale: V, w_zero: V, y_scale: V, y_zero: V, bias: V | None,
) -> V:  # fmt: skip
    """ONNX's QLinearConv, except for the position of the channels, also in the weights."""
    if not op.attribute("channels_last"):
        inputs = (x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias)
        return op.QLinearConv(*inputs, **op.attributes("channels_last"))
    rank = op.rank(w)
    first = to_channels_first(op, x, rank)
    inputs = (first, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias)
    return to_channels_last(op, op.QLinearConv(*inputs, **op.attributes("channels_last")), rank)
