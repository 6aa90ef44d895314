"""Convolutions: Conv and ConvTranspose have a template; the integer and quantized ones are plain reductions."""

from __future__ import annotations

from burnish.dims import Dim, floordiv
from burnish.dtypes import DType
from burnish.ops.contraction import scale_at
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
    return Conv(
        x=x,
        weight=weight,
        bias=bias,
        shape=(x.shape[0], weight.shape[0], *outputs_of(windows)),
        dtype=x.dtype,
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


def _integer_sum(windows: list[Window], index: Index, node: NodeView, operands: list[Tensor | None]) -> Expr:
    """sum of (x - x_zero) * (weight - weight_zero) in i32; a padded x counts as its zero point."""
    x, x_zero, weight, weight_zero = operands
    assert x is not None and weight is not None
    channels = weight.shape[1]
    per_group = floordiv(weight.shape[0], node.attr("group", 1))
    run, taps = fresh_axis(channels), [w.tap() for w in windows]
    channel = (index[1] // per_group) * channels + axis(run)
    position = [index[0], channel, *positions(windows, index[2:], taps)]
    zero = const(0, x.dtype) if x_zero is None else x_zero[(0,) * x_zero.rank]
    value = cast(load_or(x, position, guarded_axes(windows), zero), DType.I32) - cast(zero, DType.I32)
    factor = cast(weight[[index[1], axis(run), *(axis(t) for t in taps)]], DType.I32)
    if weight_zero is not None:
        factor = factor - cast(scale_at(weight_zero, index[1]) if weight_zero.rank else weight_zero[()], DType.I32)
    return reduce("sum", (run, *taps), value * factor)


@operator("ConvInteger")
def conv_integer(node: NodeView) -> Compute:
    x, weight = node.tensor(0), node.tensor(1)
    windows = _windows(node, x, weight)
    operands = [x, node.optional(2), weight, node.optional(3)]
    shape = (x.shape[0], weight.shape[0], *outputs_of(windows))
    return Compute(DType.I32, shape, lambda i: _integer_sum(windows, i, node, operands))


@operator("QLinearConv")
def quantized_conv(node: NodeView) -> Compute:
    x, x_scale, x_zero, weight, weight_scale, weight_zero, y_scale, y_zero = (node.tensor(i) for i in range(8))
    bias = node.optional(8)
    windows = _windows(node, x, weight)
    shape = (x.shape[0], weight.shape[0], *outputs_of(windows))

    def body(i: Index) -> Expr:
        total = _integer_sum(windows, i, node, [x, x_zero, weight, weight_zero])
        total = total if bias is None else total + bias[(i[1],)]
        per_channel = scale_at(weight_scale, i[1]) if weight_scale.rank else weight_scale[()]
        factor = x_scale[(0,) * x_scale.rank] * per_channel / y_scale[(0,) * y_scale.rank]
        return requantize(cast(total, DType.F32) * factor, y_zero[(0,) * y_zero.rank], y_zero.dtype)

    return Compute(y_zero.dtype, shape, body)
