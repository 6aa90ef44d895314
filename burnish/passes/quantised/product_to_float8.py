"""Multiply float8 codes instead of the numbers that they stand for, where tensor cores do that.

    MatMul(DQ(x, sx), DQ(w, sw))  ->  MatMul(x, w) * (sx * sw)          Conv and Gemm likewise, then their bias

x, w: float8 (e4m3); w is constant, sw one scale or one per output channel. The products are exact, their sum is f32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import matched
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

FLOAT8 = ir.DataType.FLOAT8E4M3FN


@dataclass(frozen=True)
class Float8:
    """Codes, and one scale or one for each place on an axis."""

    codes: ir.Value
    scale: Array
    axis: int | None


@dataclass(frozen=True)
class Product:
    """x; weight: [M, C, k...] for a convolution, [K, N] for the others; factor: sx * sw, as it is multiplied."""

    x: Float8
    weight: Array
    factor: Array
    bias: ir.Value | Array | None


class ProductToFloat8(Rule):
    op_types = ("Conv", "Gemm", "MatMul")

    def find(self, node: ir.Node) -> Match | Skip:
        product = _read(node)
        if isinstance(product, Skip):
            return product
        return matched(node, (node,), found=product)

    def check(self, match: Match) -> Product:
        found: Product = match.found
        return found

    def rewrite(self, op: Builder, match: Match, found: Product) -> ir.Value:
        node, result = match.root, match.root.outputs[0]
        kept = {k: a.value for k, a in node.attributes.items()} if node.op_type == "Conv" else {}
        weight = op.constant(found.weight, f"{node.name}.weight")
        total = op.node("Conv" if node.op_type == "Conv" else "MatMul", found.x.codes, weight, **kept)
        _typed(total, result)
        scaled = op.Mul(total, op.constant(found.factor, f"{node.name}.scale"))
        if found.bias is None:
            return scaled  # type: ignore[no-any-return]
        bias = found.bias if isinstance(found.bias, ir.Value) else op.constant(found.bias, f"{node.name}.bias")
        return op.Add(_typed(scaled, result), bias)  # type: ignore[no-any-return]


def _read(node: ir.Node) -> Product | Skip:
    x, weight = (read_float8(v) for v in node.inputs[:2])
    if isinstance(x, Skip):
        return x
    if isinstance(weight, Skip):
        return weight
    codes = constant_array(weight.codes)
    if codes is None:
        return Skip(f"{weight.codes.name} is no constant: both sides of the product are computed")
    if x.axis is not None:
        return Skip(f"its data has a scale for each place on axis {x.axis}")
    for name, wanted in (("transA", 0), ("alpha", 1.0), ("beta", 1.0)):
        if node.op_type == "Gemm" and name in node.attributes and node.attributes[name].value != wanted:
            return Skip(f"its {name} is {node.attributes[name].value}")
    axis, wanted_axis = weight.axis, 0 if node.op_type == "Conv" else codes.ndim - 1
    if node.op_type == "Gemm" and "transB" in node.attributes and node.attributes["transB"].as_int():
        codes, axis = np.ascontiguousarray(codes.T), None if axis is None else 1 - axis
    if node.op_type != "Conv" and codes.ndim != 2:
        return Skip(f"its weight has rank {codes.ndim}, not 2")
    if axis not in (None, wanted_axis):
        return Skip(f"its weight has a scale for each place on axis {weight.axis}, which is summed")
    return _with_bias(node, x, codes, x.scale * weight.scale)


def _with_bias(node: ir.Node, x: Float8, codes: Array, factor: Array) -> Product | Skip:
    given = node.inputs[2] if len(node.inputs) > 2 else None
    if node.op_type != "Conv":
        return Product(x, codes, factor, given)
    shape = (-1, *(1,) * (codes.ndim - 2))
    factor = factor if factor.ndim == 0 else factor.reshape(shape)
    bias = constant_array(given)
    if given is not None and bias is None:
        return Skip(f"its bias {given.name} is computed")
    return Product(x, codes, factor, None if bias is None else bias.reshape(shape))


def read_float8(value: ir.Value | None) -> Float8 | Skip:
    """What a DequantizeLinear makes of float8 codes, by scales that are known."""
    node = None if value is None else value.producer()
    if value is None or node is None or node.op_type != "DequantizeLinear" or node.domain or node.inputs[0] is None:
        return Skip(f"{'a missing input' if value is None else value.name} is not dequantised")
    codes, given, zero = (*node.inputs, None)[:3]
    scale = constant_array(given)
    if codes is None or codes.dtype != FLOAT8 or value.dtype != ir.DataType.FLOAT:
        return Skip(f"{value.name} is no f32 made of float8")
    if scale is None or scale.dtype != np.float32 or node.attributes.get_int("block_size", 0):
        return Skip(f"the scale of {value.name} is computed, no f32, or one for each block")
    known = None if zero is None else constant_array(zero)
    if zero is not None and (known is None or known.astype(np.float32).any()):
        return Skip(f"{value.name} has a zero point")
    if scale.size == 1:
        return Float8(codes, scale.reshape(()), None)
    if scale.ndim != 1 or codes.shape is None:
        return Skip(f"the scale of {value.name} has rank {scale.ndim}")
    return Float8(codes, scale, node.attributes.get_int("axis", 1) % len(codes.shape))


def _typed(value: ir.Value, like: ir.Value) -> ir.Value:
    value.shape, value.type = like.shape, ir.TensorType(ir.DataType.FLOAT)
    return value
