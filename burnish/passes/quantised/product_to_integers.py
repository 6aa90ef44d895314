"""Multiply the codes of quantised tensors instead of the numbers that they stand for.

    Conv(DQ(x, sx, zx), DQ(w, sw, zw), DQ(b, sx * sw))  ->  f32(ConvInteger(x, w, zx, zw) + b) * (sx * sw)

    MatMul and Gemm likewise, by MatMulInteger; so are products of two computed tensors. sw: one scale, or one per
    output channel; sx: one, or one per channel of a depthwise convolution, as NNCF writes. A bias with another scale,
    or in f32, is added after the scaling.

The sum is exact in i32, where f32 rounds at each step: answers differ by a few roundings of f32. Weights of any form
(u8, four bits) become i8 here, where they can without a zero point. Runs after the patterns, which know f32 nodes, and
before what is left is dequantised.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import matched
from burnish.passes.quantised.codes import EIGHT_BITS, Codes, Scheme, read_codes
from burnish.passes.quantised.split_transposed_conv import read_transposed
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

NOT_QUANTISED = "neither side of it is dequantised"
Most = Callable[[str], int | None]
MOST = 2**31 - 1  # of an i32
CLOSE = 2.0**-22  # how far the scale of a bias may be from sx * sw: they come from several roundings


@dataclass(frozen=True)
class Weight:
    """i8 codes as ConvInteger or MatMulInteger want them, their zero points and scales ([] or one per channel)."""

    codes: Array
    zero: Array | None
    scale: Array


@dataclass(frozen=True)
class Product:
    """x: the codes of the data; factor: sx * sw; steps: a bias in i32; bias: one that is added after the scaling.

    weight: constant codes, or the codes of a tensor that is computed, too
    """

    x: Codes
    weight: Weight | Codes
    factor: Array
    steps: Array | None
    bias: Array | ir.Value | None


class ProductToIntegers(Rule):
    """most: the maximum of a symbolic dimension, None if it is not known."""

    op_types = ("Conv", "ConvTranspose", "Gemm", "MatMul")

    def __init__(self, most: Most = lambda dim: None) -> None:
        self.most = most

    def find(self, node: ir.Node) -> Match | Skip:
        product = _read(node, self.most)
        if isinstance(product, Skip):
            return product
        before = [v.producer() for v in node.inputs if v is not None]
        return matched(node, (node, *(n for n in before if n is not None and _is_dequantised(n, node))), found=product)

    def check(self, match: Match) -> Product:
        found: Product = match.found
        return found

    def rewrite(self, op: Builder, match: Match, found: Product) -> ir.Value:
        node, result = match.root, match.root.outputs[0]
        zero_x = _zero(op, found.x.scheme.zero, found.x.scheme.dtype, f"{node.name}.data_zero")
        weight, zero_w = _operand(op, found.weight, node)
        if node.op_type == "Conv":
            kept = {k: a.value for k, a in node.attributes.items()}
            total = op.ConvInteger(found.x.codes, weight, zero_x, zero_w, **kept)
        else:
            total = op.MatMulInteger(found.x.codes, weight, zero_x, zero_w)
        total = _typed(total, result, ir.DataType.INT32)
        if found.steps is not None:
            total = _typed(op.Add(total, op.constant(found.steps, f"{node.name}.bias")), result, ir.DataType.INT32)
        real = _typed(op.Cast(total, to=int(ir.DataType.FLOAT)), result, ir.DataType.FLOAT)
        scaled = op.Mul(real, op.constant(found.factor, f"{node.name}.scale"))
        if found.bias is None:
            return scaled  # type: ignore[no-any-return]
        bias = found.bias if isinstance(found.bias, ir.Value) else op.constant(found.bias, f"{node.name}.bias")
        return op.Add(_typed(scaled, result, ir.DataType.FLOAT), bias)  # type: ignore[no-any-return]


def _is_dequantised(before: ir.Node | None, node: ir.Node) -> bool:
    return before is not None and before.op_type == "DequantizeLinear" and before.graph is node.graph


def _read(node: ir.Node, most: Most) -> Product | Skip:
    if not any(_is_dequantised(v.producer(), node) for v in node.inputs[:2] if v is not None):
        return Skip(NOT_QUANTISED)
    if node.op_type == "ConvTranspose":
        found = read_transposed(node)
        return found if isinstance(found, Skip) else Skip("it becomes a convolution first")
    x = read_codes(node.inputs[0])
    if isinstance(x, Skip):
        return x
    if x.scheme.dtype not in EIGHT_BITS:
        return Skip(f"its data has codes of type {x.scheme.dtype.name.lower()}, not 8 bits")
    if refused := _refuse_gemm(node):
        return refused
    other = read_codes(node.inputs[1])
    if isinstance(other, Codes) and constant_array(other.codes) is None:
        return _of_two(node, x, other, most)
    weight = _read_weight(node)
    if isinstance(weight, Skip):
        return weight
    if x.scheme.axis is not None:
        by_channel = _of_each_channel(node, x, weight)
        if isinstance(by_channel, Skip):
            return by_channel
        x = by_channel
    factor = x.scheme.scale * weight.scale
    room = MOST - _largest_sum(weight, node, _furthest(x.scheme))
    if room < 0:
        return Skip("its sum may not fit 32 bits")
    return _with_bias(node, x, weight, weight.codes.ndim, factor, room)


def _of_two(node: ir.Node, x: Codes, y: Codes, most: Most) -> Product | Skip:
    """A product of two computed tensors, as of attention; each has one scale, or the weight one per output channel."""
    for codes in (x, y):
        if codes.scheme.dtype not in EIGHT_BITS:
            return Skip(f"{codes.codes.name} has codes of type {codes.scheme.dtype.name.lower()}, not 8 bits")
    if x.scheme.axis is not None:
        return Skip(f"{x.codes.name} has a scale for each place on axis {x.scheme.axis}")
    if y.scheme.axis not in (None, _channel_axis(node)):
        return Skip(f"{y.codes.name} has a scale for each place on axis {y.scheme.axis}")
    shapes = [codes.codes.shape for codes in (x, y)]
    if any(shape is None or len(shape) < 2 for shape in shapes):
        return Skip("one side of it is a vector, or of unknown rank")
    depth = _depth(node, shapes[0], shapes[1], most)  # type: ignore[arg-type]
    if depth is None:
        return Skip("both sides are computed, and only a run tells how many products are summed")
    room = MOST - depth * _furthest(x.scheme) * _furthest(y.scheme)
    if room < 0:
        return Skip("its sum may not fit 32 bits")
    return _with_bias(node, x, y, len(shapes[1]), x.scheme.scale * y.scheme.scale, room)  # type: ignore[arg-type]


def _channel_axis(node: ir.Node) -> int | None:
    """The axis of a computed second operand along which scales may vary: a convolution's output channels."""
    return 0 if node.op_type == "Conv" else None


def _depth(node: ir.Node, of_x: ir.Shape, of_y: ir.Shape, most: Most) -> int | None:
    """The number of products summed for each element, or its maximum; None if only a run tells it."""
    if node.op_type == "Conv":
        summed = of_y[1:]
        return math.prod(n for n in summed if isinstance(n, int)) if all(isinstance(n, int) for n in summed) else None
    dims = of_x[-1], of_y[-1 if _is_turned(node) else -2]
    limits = [n for d in dims if (n := d if isinstance(d, int) else most(str(d))) is not None]
    return min(limits, default=None)


def _is_turned(node: ir.Node) -> bool:
    """Is its second operand given as [N, K]?"""
    return node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1


def _furthest(scheme: Scheme) -> int:
    """The largest absolute number that a code stands for, in steps."""
    return int(np.abs(np.subtract.outer(scheme.limits, scheme.zero)).max())


def _operand(op: Builder, weight: Weight | Codes, node: ir.Node) -> tuple[ir.Value, ir.Value | None]:
    """The second operand of the product, and its zero point."""
    name = node.name
    if isinstance(weight, Codes):
        codes = weight.codes
        if _is_turned(node) and codes.shape is not None:
            codes = op.Transpose(codes, perm=[1, 0])
            codes.shape, codes.dtype = ir.Shape([*weight.codes.shape][::-1]), weight.codes.dtype  # type: ignore[misc]
        return codes, _zero(op, weight.scheme.zero, weight.scheme.dtype, f"{name}.other_zero")
    return op.constant(weight.codes, f"{name}.weight"), _zero(op, weight.zero, ir.DataType.INT8, f"{name}.weight_zero")


def _of_each_channel(node: ir.Node, x: Codes, weight: Weight) -> Codes | Skip:
    """The data of a depthwise convolution with the scale that each output channel multiplies, and one zero point."""
    scheme, groups = x.scheme, node.attributes.get_int("group", 1)
    several = Skip(f"its data has a scale for each place on axis {scheme.axis}")
    if node.op_type != "Conv" or scheme.axis != 1 or groups != scheme.scale.size or weight.codes.shape[1] != 1:
        return several
    if (scheme.zero != scheme.zero[0]).any():
        return Skip(f"its data has a zero point for each place on axis {scheme.axis}")
    scale = np.repeat(scheme.scale, weight.codes.shape[0] // groups)
    return replace(x, scheme=replace(scheme, scale=scale, zero=scheme.zero[0].reshape(()), axis=None))


def _refuse_gemm(node: ir.Node) -> Skip | None:
    for name, wanted in (("transA", 0), ("alpha", 1.0), ("beta", 1.0)):
        if name in node.attributes and node.attributes[name].value != wanted:
            return Skip(f"its {name} is {node.attributes[name].value}")
    return None


def _read_weight(node: ir.Node) -> Weight | Skip:
    """The constant codes of input 1: [M, C, k...] for a convolution, [K, N] for the others."""
    found = read_codes(node.inputs[1])
    if isinstance(found, Skip):
        return found
    codes = constant_array(found.codes)
    assert codes is not None, "a product of two computed tensors is another case"
    if found.scheme.dtype not in EIGHT_BITS | {ir.DataType.INT4, ir.DataType.UINT4}:
        return Skip(f"its weight has codes of type {found.scheme.dtype.name.lower()}")
    channels, axis = codes.astype(np.int16), found.scheme.axis
    wanted = 0 if node.op_type == "Conv" else codes.ndim - 1
    if _is_turned(node):
        channels, axis = channels.T, None if axis is None else 1 - axis
    if node.op_type != "Conv" and codes.ndim != 2:
        return Skip(f"its weight has rank {codes.ndim}, not 2")
    if axis not in (None, wanted):
        return Skip(f"its weight has a scale for each place on axis {found.scheme.axis}, which is summed")
    return _narrowed(channels, found.scheme.zero, found.scheme.scale, wanted)


def _narrowed(codes: Array, zero: Array, scale: Array, axis: int) -> Weight:
    """i8 codes, without a zero point if all numbers fit i8 without one."""
    along = zero if zero.ndim == 0 else zero.reshape(_along(axis, codes.ndim))
    centred = codes - along.astype(np.int16)
    if centred.min(initial=0) >= -128 and centred.max(initial=0) <= 127:
        return Weight(np.ascontiguousarray(centred.astype(np.int8)), None, scale)
    shift = 128 if codes.max(initial=0) > 127 else 0
    return Weight(np.ascontiguousarray((codes - shift).astype(np.int8)), (zero - shift).astype(np.int64), scale)


def _along(axis: int, rank: int) -> list[int]:
    """The shape of a vector along one of the axes."""
    return [-1 if n == axis else 1 for n in range(rank)]


def _largest_sum(weight: Weight, node: ir.Node, largest: int) -> int:
    """The largest absolute sum that any data can give. largest: the largest absolute number of the data, in steps."""
    axis = 0 if node.op_type == "Conv" else 1
    codes = weight.codes.astype(np.int16)
    zero = 0 if weight.zero is None else weight.zero.astype(np.int16).reshape(_along(axis, codes.ndim))
    others = tuple(n for n in range(codes.ndim) if n != axis)
    return int(np.abs(codes - zero).sum(axis=others, dtype=np.int64).max(initial=0)) * largest


def _with_bias(node: ir.Node, x: Codes, weight: Weight | Codes, rank: int, factor: Array, room: int) -> Product | Skip:
    """The bias in steps of the sum if it has its scale and leaves room; otherwise as it is. rank: of the weight."""
    given = node.inputs[2] if len(node.inputs) > 2 else None
    shape = (-1, *(1,) * (rank - 2)) if node.op_type == "Conv" else (-1,)
    scale = factor if factor.ndim == 0 else factor.reshape(shape)
    if given is None:
        return Product(x, weight, scale, None, None)
    steps = _in_steps(given, factor, room)
    if steps is not None:
        return Product(x, weight, scale, steps.reshape(shape) if steps.ndim else steps, None)
    if node.op_type != "Conv":
        return Product(x, weight, scale, None, given)
    found = read_codes(given)
    codes = constant_array(given if isinstance(found, Skip) else found.codes)
    if codes is None:
        return Skip(f"its bias {given.name} is computed")
    real = codes if isinstance(found, Skip) else (codes - found.scheme.zero).astype(np.float32) * found.scheme.scale
    return Product(x, weight, scale, None, real.reshape(shape))


def _in_steps(given: ir.Value, factor: Array, room: int) -> Array | None:
    """An i32 bias of the sum's own scale."""
    found = read_codes(given)
    codes = None if isinstance(found, Skip) else constant_array(found.codes)
    if isinstance(found, Skip) or codes is None or found.scheme.dtype != ir.DataType.INT32:
        return None
    scale = found.scheme.scale
    if found.scheme.zero.any() or any(n != 1 for n in codes.shape[:-1]):
        return None
    if scale.ndim and factor.ndim and scale.shape != factor.shape:
        return None
    if not np.all(np.abs(scale - factor) <= CLOSE * np.abs(factor)) or np.abs(codes.astype(np.int64)).max() > room:
        return None
    return codes if codes.ndim == 0 else codes.reshape(-1)


def _zero(op: Builder, zero: Array | None, dtype: ir.DataType, name: str) -> ir.Value | None:
    return None if zero is None or not zero.any() else op.constant(zero.astype(dtype.numpy()), name)


def _typed(value: ir.Value, like: ir.Value, dtype: ir.DataType) -> ir.Value:
    value.shape, value.type = like.shape, ir.TensorType(dtype)
    return value
