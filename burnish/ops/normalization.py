"""Normalizations: means and variances over axes, then scale and shift."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.dims import floordiv, product
from burnish.dtypes import DType
from burnish.ops.agreement import agree, agree_all, agree_at
from burnish.ops.arguments import axes_in, axis_in, size
from burnish.ops.broadcasting import broadcast_load
from burnish.ops.language.definition import Compute, Index, NodeView, Tensor
from burnish.ops.language.expr import Expr, axis, binary, cast, const, fresh_axis, reduce, unary, where
from burnish.ops.movement import load_or
from burnish.ops.reduction import expand_index, place, reduce_over, reduced_shape
from burnish.ops.registry import Undefined, operator


def mean_over(x: Tensor, axes: Sequence[int], index: Index, wide: DType) -> Expr:
    """The mean over the axes, in the wide dtype."""
    count = product(x.shape[a] for a in axes)
    return reduce_over(x, axes, index, "sum", lambda v: cast(v, wide)) / size(count, wide)


def variance_over(x: Tensor, axes: Sequence[int], index: Index, wide: DType) -> Expr:
    """mean((x - mean(x))**2): two passes, so no digits are lost if the mean is large."""
    mean = mean_over(x, axes, index, wide)
    count = product(x.shape[a] for a in axes)

    def squared(v: Expr) -> Expr:
        centred = cast(v, wide) - mean
        return centred * centred

    return reduce_over(x, axes, index, "sum", squared) / size(count, wide)


def inverse_deviation(variance: Expr, epsilon: float) -> Expr:
    return unary("reciprocal", unary("sqrt", variance + epsilon))


def _stash(node: NodeView, x: Tensor) -> DType:
    """The dtype of the statistics: f32 by default, never narrower than f32 allows f64 to be."""
    return DType.F64 if x.dtype is DType.F64 else DType.from_onnx(node.attr("stash_type", 1))


@operator("BatchNormalization")
def batch_normalization(node: NodeView) -> Compute:
    """(x - mean) / sqrt(var + eps) * scale + bias, per channel (axis 1)"""
    if node.attr("training_mode", 0) or sum(map(bool, node.output_names)) > 1:
        raise Undefined("BatchNormalization in training mode")
    x, scale, bias, mean, variance = (node.tensor(i) for i in range(5))
    epsilon = node.attr("epsilon", 1e-5)
    for parameter in (scale, bias, mean, variance):
        agree_at(parameter, 0, x, min(1, x.rank - 1))

    def body(i: Index) -> Expr:
        channel = i[1 if x.rank > 1 else 0]
        factor = cast(scale[(channel,)], mean.dtype) * inverse_deviation(variance[(channel,)], epsilon)
        centred = cast(x[i], mean.dtype) - mean[(channel,)]
        return cast(centred * factor + cast(bias[(channel,)], mean.dtype), x.dtype)

    return Compute(x.dtype, x.shape, body)


@operator("LayerNormalization")
def layer_normalization(node: NodeView) -> tuple[Compute | None, ...]:
    """(x - mean) / sqrt(var + eps) * scale + bias over the axes from `axis` on; also mean and 1 / deviation"""
    x, scale, bias = node.tensor(0), node.tensor(1), node.optional(2)
    axes = tuple(range(axis_in(node.attr("axis", -1), x.rank), x.rank))
    wide, epsilon = _stash(node, x), node.attr("epsilon", 1e-5)
    for parameter in (scale, bias):
        if parameter is not None:
            agree_all(parameter.shape, x.shape, f"'{parameter.name}' and '{x.name}'", "stretch")

    def deviation(i: Index) -> Expr:
        return inverse_deviation(variance_over(x, axes, i, wide), epsilon)

    def body(i: Index) -> Expr:
        normal = (cast(x[i], wide) - mean_over(x, axes, i, wide)) * deviation(i)
        result = cast(normal, x.dtype) * broadcast_load(scale, i, x.shape)
        return result if bias is None else result + broadcast_load(bias, i, x.shape)

    def statistic(position: int) -> Compute | None:
        if len(node.output_names) <= position or not node.output_names[position]:
            return None

        def value(i: Index) -> Expr:
            full = expand_index(i, axes, x.rank, True)
            return mean_over(x, axes, full, wide) if position == 1 else deviation(full)

        return Compute(wide, reduced_shape(x.shape, axes, True), value)

    return Compute(x.dtype, x.shape, body), statistic(1), statistic(2)


@operator("RMSNormalization")
def rms_normalization(node: NodeView) -> Compute:
    """x / sqrt(mean(x**2) + eps) * scale over the axes from `axis` on"""
    x, scale = node.tensor(0), node.tensor(1)
    axes = tuple(range(axis_in(node.attr("axis", -1), x.rank), x.rank))
    wide, epsilon = _stash(node, x), node.attr("epsilon", 1e-5)
    count = product(x.shape[a] for a in axes)
    agree_all(scale.shape, x.shape, f"'{scale.name}' and '{x.name}'", "stretch")

    def body(i: Index) -> Expr:
        total = reduce_over(x, axes, i, "sum", lambda v: cast(v, wide) * cast(v, wide))
        normal = cast(x[i], wide) * inverse_deviation(total / size(count, wide), epsilon)
        return cast(normal, x.dtype) * broadcast_load(scale, i, x.shape)

    return Compute(x.dtype, x.shape, body)


@operator("InstanceNormalization")
def instance_normalization(node: NodeView) -> Compute:
    """As LayerNormalization over the spatial axes, scale and bias per channel"""
    x, scale, bias = (node.tensor(i) for i in range(3))
    axes, epsilon = tuple(range(2, x.rank)), node.attr("epsilon", 1e-5)
    for parameter in (scale, bias):
        agree_at(parameter, 0, x, 1)

    def body(i: Index) -> Expr:
        deviation = inverse_deviation(variance_over(x, axes, i, x.dtype), epsilon)
        return (x[i] - mean_over(x, axes, i, x.dtype)) * deviation * scale[(i[1],)] + bias[(i[1],)]

    return Compute(x.dtype, x.shape, body)


@operator("GroupNormalization")
def group_normalization(node: NodeView) -> Compute:
    """Statistics over a group of channels and the spatial axes; scale per channel (per group before opset 21)"""
    x, scale, bias = (node.tensor(i) for i in range(3))
    groups, epsilon = node.attr("num_groups"), node.attr("epsilon", 1e-5)
    wide = _stash(node, x)
    agree(x.shape[1], groups, f"the channels of '{x.name}' and the groups", "multiple")
    for parameter in (scale, bias):
        per_group = scale.shape[0] == groups
        agree(parameter.shape[0], groups if per_group else x.shape[1], f"'{parameter.name}' and what it scales")
    channels = floordiv(x.shape[1], groups)
    count = product((channels, *x.shape[2:]))

    def body(i: Index) -> Expr:
        group = i[1] // channels
        over = {a: fresh_axis(channels if a == 1 else x.shape[a]) for a in range(1, x.rank)}
        running = place(i, over)
        running[1] = group * channels + running[1]
        value, axes = cast(x[running], wide), tuple(over.values())
        mean = reduce("sum", axes, value) / size(count, wide)
        centred = value - mean
        variance = reduce("sum", axes, centred * centred) / size(count, wide)
        normal = (cast(x[i], wide) - mean) * inverse_deviation(variance, epsilon)
        position = (group if scale.shape[0] == groups else i[1],)
        return cast(normal, x.dtype) * scale[position] + bias[position]

    return Compute(x.dtype, x.shape, body)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(node: NodeView) -> Compute:
    """(x - mean) / (deviation + 1e-9)"""
    x = node.tensor(0)
    axes = axes_in(node.attr("axes", (0, 2, 3)), x.rank)

    def body(i: Index) -> Expr:
        deviation = unary("sqrt", variance_over(x, axes, i, x.dtype))
        return (x[i] - mean_over(x, axes, i, x.dtype)) / (deviation + 1e-9)

    return Compute(x.dtype, x.shape, body)


@operator("LpNormalization")
def lp_normalization(node: NodeView) -> Compute:
    """x / norm; 0 where the norm is 0"""
    x = node.tensor(0)
    a, p = axis_in(node.attr("axis", -1), x.rank), node.attr("p", 2)

    def body(i: Index) -> Expr:
        norm = reduce_over(x, (a,), i, "sum", lambda v: unary("abs", v) if p == 1 else v * v)
        norm = norm if p == 1 else unary("sqrt", norm)
        return where(binary("eq", norm, 0), 0, x[i] / norm)

    return Compute(x.dtype, x.shape, body)


@operator("LRN")
def local_response_normalization(node: NodeView) -> Compute:
    """x / (bias + alpha / size * sum(x**2 over neighbouring channels)) ** beta"""
    x, width = node.tensor(0), node.attr("size")
    alpha, beta, bias = node.attr("alpha", 1e-4), node.attr("beta", 0.75), node.attr("bias", 1.0)

    def body(i: Index) -> Expr:
        run = fresh_axis(width)
        channel = i[1] + axis(run) - (width - 1) // 2
        neighbour = load_or(x, [i[0], channel, *i[2:]], [1], const(0, x.dtype))
        total = reduce("sum", (run,), neighbour * neighbour)
        return x[i] / binary("pow", total * (alpha / width) + bias, beta)

    return Compute(x.dtype, x.shape, body)
