"""Convolutions: Conv, ConvTranspose and ConvInteger have a template; QLinearConv is a plain reduction."""

from __future__ import annotations

from dataclasses import replace

from burnish.dims import Dim, floordiv
from burnish.dtypes import DType
from burnish.ops.agreement import agree, agree_at, scalar
from burnish.ops.contraction import claim_scale, scale_at
from burnish.ops.language.definition import Compute, Conv, Index, NodeView, Tensor
from burnish.ops.language.expr import Expr, axis, cast, const, fresh_axis, reduce
from burnish.ops.movement import load_or
from burnish.ops.quantize import requantize
from burnish.ops.registry import Misfit, Undefined, operator
from burnish.ops.windows import Window, guarded_axes, outputs_of, positions, windows_of


@operator("Conv")
def conv(node: NodeView) -> Conv:
    x, weight, bias = node.tensor(0), node.tensor(1), node.optional(2)
    windows = _windows(node, x, weight)
    if not x.dtype.is_float:
        raise Undefined(f"Conv of {x.dtype.value}")
    if bias is not None:
        agree_at(bias, 0, weight, 0)
    return _conv(node, x, weight, bias, windows)


def _conv(node: NodeView, x: Tensor, weight: Tensor, bias: Tensor | None, windows: list[Window]) -> Conv:
    return Conv(
        x=x,
        weight=weight,
        bias=bias,
        shape=(x.shape[0], weight.shape[0], *outputs_of(windows)),
        dtype=DType.F32 if x.dtype is DType.F8E4M3 else x.dtype,
        strides=tuple(w.stride for w in windows),
        dilations=tuple(w.dilation for w in windows),
        pads_begin=_numbers(node, [w.pad_begin for w in windows]),
        pads_end=_numbers(node, [w.pad_end for w in windows]),
        groups=node.attr("group", 1),
    )


def _windows(node: NodeView, x: Tensor, weight: Tensor) -> list[Window]:
    if x.rank < 3 or x.rank > 5:
        raise Undefined(f"{node.op_type} over {x.rank - 2} spatial axes")
    groups, channels = node.attr("group", 1), x.shape[1]
    if isinstance(channels, int) and isinstance(weight.shape[1], int) and channels != weight.shape[1] * groups:
        raise Misfit(f"{channels} channels; the weight has {weight.shape[1]} in each of {groups} groups")
    agree(channels, weight.shape[1] * groups, f"the channels of '{x.name}' and those that '{weight.name}' takes")
    agree(weight.shape[0], groups, f"the outputs of '{weight.name}' and its groups", "multiple")
    return windows_of(node, x.shape[2:], _kernel(node, weight))


def _kernel(node: NodeView, weight: Tensor) -> tuple[int, ...]:
    """The kernel's size: the weight's own shape."""
    return _numbers(node, list(weight.shape[2:]))


def _numbers(node: NodeView, dims: list[Dim]) -> tuple[int, ...]:
    numbers = tuple(d for d in dims if isinstance(d, int))
    if len(numbers) != len(dims):
        raise Undefined(f"{node.op_type} with symbolic kernel or pads")
    return numbers


@operator("ConvTranspose")
def conv_transpose(node: NodeView) -> Conv:
    """pads are cut from the output; output_padding adds to its end; output_shape decides the pads."""
    x, weight, bias = node.tensor(0), node.tensor(1), node.optional(2)
    if x.rank < 3 or x.rank > 5:
        raise Undefined(f"ConvTranspose over {x.rank - 2} spatial axes")
    spatial, kernel = x.shape[2:], _kernel(node, weight)
    rank, groups = len(spatial), node.attr("group", 1)
    agree_at(x, 1, weight, 0)
    if bias is not None:
        agree(bias.shape[0], weight.shape[1] * groups, f"'{bias.name}' and the output's channels")
    strides, dilations = node.attr("strides", (1,) * rank), node.attr("dilations", (1,) * rank)
    pads, extra = list(node.attr("pads", (0,) * (2 * rank))), node.attr("output_padding", (0,) * rank)
    wanted, auto = node.attr("output_shape"), node.attr("auto_pad", "NOTSET")
    shape: list[Dim] = []
    for a in range(rank):
        full = (spatial[a] - 1) * strides[a] + (kernel[a] - 1) * dilations[a] + 1 + extra[a]
        if wanted is not None or auto in ("SAME_UPPER", "SAME_LOWER"):
            shape.append(wanted[-rank:][a] if wanted is not None else spatial[a] * strides[a])
            total = full - shape[a]
            if not isinstance(total, int):
                raise Undefined("ConvTranspose with symbolic pads")
            total = max(total, 0)
            pads[a] = total // 2 if auto == "SAME_UPPER" else total - total // 2
            pads[rank + a] = total - pads[a]
        else:
            shape.append(full - pads[a] - pads[rank + a])
    return Conv(
        x=x,
        weight=weight,
        bias=bias,
        shape=(x.shape[0], weight.shape[1] * groups, *shape),
        dtype=x.dtype,
        strides=tuple(strides),
        dilations=tuple(dilations),
        pads_begin=tuple(pads[:rank]),
        pads_end=tuple(pads[rank:]),
        groups=groups,
        transposed=True,
    )


def _integer_sum(
    windows: list[Window], index: Index, groups: int, x: Tensor, zero: Expr, weight: Tensor, weight_zero: Tensor | None
) -> Expr:
    """sum of (x - zero) * (weight - weight_zero) in i32; a padded x counts as its zero point."""
    channels = weight.shape[1]
    per_group = floordiv(weight.shape[0], groups)
    run, taps = fresh_axis(channels), [w.tap() for w in windows]
    channel = (index[1] // per_group) * channels + axis(run)
    position = [index[0], channel, *positions(windows, index[2:], taps)]
    value = cast(load_or(x, position, guarded_axes(windows), zero), DType.I32) - cast(zero, DType.I32)
    factor = cast(weight[[index[1], axis(run), *(axis(t) for t in taps)]], DType.I32)
    if weight_zero is not None:
        factor = factor - cast(scale_at(weight_zero, index[1], weight.shape[0]), DType.I32)
    return reduce("sum", (run, *taps), value * factor)


@operator("ConvInteger")
def conv_integer(node: NodeView) -> Conv | Compute:
    x, weight = node.tensor(0), node.tensor(1)
    windows = _windows(node, x, weight)
    x_zero, weight_zero, groups = node.optional(2), node.optional(3), node.attr("group", 1)
    claim_scale(weight_zero, weight.shape[0])
    zero = const(0, x.dtype) if x_zero is None else scalar(x_zero)
    if all(isinstance(pad, int) for w in windows for pad in (w.pad_begin, w.pad_end)):
        product = _conv(node, x, weight, None, windows)
        return replace(product, dtype=DType.I32, x_zero=x_zero, weight_zero=weight_zero)
    shape = (x.shape[0], weight.shape[0], *outputs_of(windows))
    return Compute(DType.I32, shape, lambda i: _integer_sum(windows, i, groups, x, zero, weight, weight_zero))


@operator("QLinearConv")
def quantized_conv(node: NodeView) -> Compute:
    x, x_scale, x_zero, weight, weight_scale, weight_zero, y_scale, y_zero = (node.tensor(i) for i in range(8))
    bias, groups = node.optional(8), node.attr("group", 1)
    windows = _windows(node, x, weight)
    shape = (x.shape[0], weight.shape[0], *outputs_of(windows))
    for of_weights in (weight_scale, weight_zero):
        claim_scale(of_weights, weight.shape[0])
    if bias is not None:
        agree_at(bias, 0, weight, 0)
    zero, scale, out_scale, out_zero = (scalar(t) for t in (x_zero, x_scale, y_scale, y_zero))

    def body(i: Index) -> Expr:
        total = _integer_sum(windows, i, groups, x, zero, weight, weight_zero)
        total = total if bias is None else total + bias[(i[1],)]
        per_channel = scale_at(weight_scale, i[1], weight.shape[0])
        factor = scale * per_channel / out_scale
        return requantize(cast(total, DType.F32) * factor, out_zero, y_zero.dtype)

    return Compute(y_zero.dtype, shape, body)
