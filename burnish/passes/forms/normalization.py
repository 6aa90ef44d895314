"""The common core of LayerNorm and RMSNorm: d / sqrt(mean(d**2) + eps) * w + b, as exporters write it.

    d / sqrt(v)    d * (1 / sqrt(v))    d * reciprocal(sqrt(v))    d * v ** -0.5         v = mean(d**2, axes) + eps
    d**2 as Pow(d, 2) or d * d; w and b before, between or after, in the layout of d; v as a variance of x (Flax)

`find_normalization` starts at the node that multiplies d by 1 / sqrt(v), and includes the scale and shift after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import Product, Sum, is_shared, keeps_rank, product_of, sum_of
from burnish.passes.forms.reductions import Reduction, mean_of, variance_of
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Skip


@dataclass(frozen=True)
class Normalization:
    """d / sqrt(mean(d**2, axes) + epsilon) * scale + bias.

    axes        of d that are averaged, from the front; sizes: their lengths
    scale, bias in the shape `sizes`; None where there is none
    centred     x if the value under the root is the variance of x; then d must be x - mean(x)
    root        the last node; nodes: all of them, users before their inputs
    """

    d: ir.Value
    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    epsilon: float
    scale: Array | None
    bias: Array | None
    centred: ir.Value | None
    root: ir.Node
    nodes: tuple[ir.Node, ...]


def find_normalization(node: ir.Node, with_bias: bool) -> Normalization | Skip:
    """The normalization that ends in `node`, with the scale (and the shift) after it."""
    outer = product_of(node.outputs[0])
    inner = next((v for v, power in outer.powers.items() if power == -0.5), None)
    if inner is None:
        return Skip(f"{node.name} does not divide by a square root used only there")
    total = sum_of(inner)
    moment = _moment(total, outer)
    if isinstance(moment, Skip):
        return moment
    d, variance, centred_from = moment
    if d.dtype == ir.DataType.DOUBLE or d.shape is None:
        return Skip(f"{d.name} is f64, which the fused operator would round to f32, or its shape is unknown")
    sizes = _sizes(d, variance.axes)
    if sizes is None:
        return Skip(f"the normalised size of {d.name} is not static")
    if not keeps_rank(d, outer, total):
        return Skip(f"a number beside {d.name} has a higher rank than it")
    weights = _weights_in(outer, d, inner, variance.axes, sizes)
    if isinstance(weights, Skip):
        return weights
    nodes = (*outer.nodes, *total.nodes, *variance.nodes)
    core = Normalization(d, variance.axes, sizes, total.constant, weights, None, centred_from, node, nodes)
    return _with_affine(core, with_bias)


def _moment(total: Sum, outer: Product) -> tuple[ir.Value, Reduction, ir.Value | None] | Skip:
    """(d, its second moment, x where the moment is the variance of x) from moment + epsilon and d / sqrt(that)."""
    square = total.only()
    if square is None:
        return Skip("the square root is not of a mean of squares plus epsilon")
    mean = mean_of(square)
    if mean is None:
        variance = variance_of(square)
        d = next((v for v, p in outer.powers.items() if p == 1 and v.const_value is None), None)
        if variance is None or d is None:
            return Skip(f"{square.name} is neither the mean of a square nor a variance")
        return d, variance, variance.x
    part = product_of(mean.x)
    root = part.only(2.0)
    if root is None or part.scale != 1 or outer.powers.get(root) != 1:
        return Skip(f"{mean.x.name} is not the square of what is divided")
    return root, replace(mean, nodes=(*mean.nodes, *part.nodes)), None


def emit(op: Builder, found: Normalization, x: ir.Value, op_type: str) -> ir.Value:
    """Write the fused operator on x, between transposes if the normalised axes are not the last ones."""
    assert x.shape is not None and x.dtype is not None
    dtype, rank, name = x.dtype.numpy(), len(x.shape), str(found.root.name)
    scale = np.ones(found.sizes) if found.scale is None else found.scale
    inputs = [op.constant(scale.astype(dtype), f"{name}.scale")]
    if found.bias is not None:
        inputs.append(op.constant(found.bias.astype(dtype), f"{name}.bias"))
    order = [i for i in range(rank) if i not in found.axes] + list(found.axes)
    is_last = order == list(range(rank))
    rows = x if is_last else _shaped(op.Transpose(x, perm=order), [x.shape[i] for i in order], x)
    result = op.node(op_type, rows, *inputs, axis=-len(found.axes), epsilon=found.epsilon)
    if is_last:
        return result  # type: ignore[no-any-return]
    back = [order.index(i) for i in range(rank)]
    return op.Transpose(_shaped(result, [x.shape[i] for i in order], x), perm=back)  # type: ignore[no-any-return]


def _shaped(value: ir.Value, shape: Sequence[int | ir.SymbolicDim], like: ir.Value) -> ir.Value:
    value.shape, value.type = ir.Shape(shape), like.type
    return value


def _sizes(d: ir.Value, axes: tuple[int, ...]) -> tuple[int, ...] | None:
    assert d.shape is not None
    sizes = [d.shape[a] for a in axes]
    return tuple(int(s) for s in sizes) if all(isinstance(s, int) for s in sizes) else None  # type: ignore[arg-type]


def _weights_in(
    outer: Product, d: ir.Value, inner: ir.Value, axes: tuple[int, ...], sizes: tuple[int, ...]
) -> Array | Skip | None:
    """The product of the number and the constants that are multiplied by 1 / sqrt(v)."""
    result: Array | None = None if outer.scale == 1 else np.full(sizes, outer.scale)
    for value, power in outer.powers.items():
        if value is d or value is inner:
            continue
        weight = per_element(value, d, axes, sizes) if power == 1 else None
        if weight is None:
            return Skip(f"the factor {value.name} is no constant along the normalised axes")
        result = weight if result is None else result * weight
    return result


def per_element(value: ir.Value, d: ir.Value, axes: tuple[int, ...], sizes: tuple[int, ...]) -> Array | None:
    """A constant that broadcasts over d and varies along `axes` only, as an f64 array of shape `sizes`."""
    array = constant_array(value)
    assert d.shape is not None
    rank = len(d.shape)
    if array is None or array.ndim > rank or array.dtype == object:
        return None
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if any(full.shape[i] not in ((1, sizes[axes.index(i)]) if i in axes else (1,)) for i in range(rank)):
        return None
    return np.broadcast_to(full.astype(np.float64).reshape([full.shape[i] for i in axes]), sizes)


def _with_affine(core: Normalization, with_bias: bool) -> Normalization:
    """Include a Mul, and then an Add, of constants, if nothing else uses the values between them."""
    found = _next(core, "Mul")
    if found is not None:
        node, weight = found
        scale = weight if core.scale is None else core.scale * weight
        core = replace(core, scale=scale, root=node, nodes=(node, *core.nodes))
    found = _next(core, "Add") if with_bias else None
    if found is not None:
        node, bias = found
        core = replace(core, bias=bias, root=node, nodes=(node, *core.nodes))
    return core


def _next(core: Normalization, op_type: str) -> tuple[ir.Node, Array] | None:
    """The only user of the core's result, if it is `op_type` with a constant along the normalised axes."""
    result = core.root.outputs[0]
    if is_shared(result):
        return None
    (node,) = result.consumers()
    if node.op_type != op_type or node.domain or node.graph is not core.root.graph or len(node.inputs) != 2:
        return None
    other = node.inputs[1] if node.inputs[0] is result else node.inputs[0]
    array = per_element(other, core.d, core.axes, core.sizes) if other is not None else None
    return None if array is None else (node, array)
