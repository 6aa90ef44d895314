"""QLinearConv and QLinearMatMul say in one node what four say, which have kernels and fuse with their neighbours.

    QLinearConv(x, sx, zx, w, sw, zw, sy, zy, b)
        ->  QuantizeLinear(f32(ConvInteger(x, w, zx, zw) + b) * ((sx * sw) / sy), 1, zy)

QLinearMatMul likewise, by MatMulInteger. Exact: the order of the products and the rounding of each are the node's own.
Of 8 bits only, and with scales in f32; with one scale for the data and the result of a convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import matched
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

_BYTES = frozenset({ir.DataType.INT8, ir.DataType.UINT8})
_SUM, _NUMBER = ir.DataType.INT32, ir.DataType.FLOAT


@dataclass(frozen=True)
class Parameters:
    """factor: (sx * sw) / sy, in f32, as it is broadcast to the sum; bias: in the sum's shape and steps."""

    factor: Array
    bias: Array | None


class QLinearToInteger(Rule):
    op_types = ("QLinearConv", "QLinearMatMul")

    def find(self, node: ir.Node) -> Match | Skip:
        found = _read(node)
        return found if isinstance(found, Skip) else matched(node, (node,), found=found)

    def check(self, match: Match) -> Parameters:
        found: Parameters = match.found
        return found

    def rewrite(self, op: Builder, match: Match, found: Parameters) -> ir.Value:
        node, like = match.root, match.root.outputs[0]
        x, _, x_zero, w, _, w_zero, _, y_zero = node.inputs[:8]
        x_zero, w_zero = _unless_zero(x_zero), _unless_zero(w_zero)
        if node.op_type == "QLinearConv":
            kept = {k: a.value for k, a in node.attributes.items()}
            total = op.ConvInteger(x, w, x_zero, w_zero, **kept)
        else:
            total = op.MatMulInteger(x, w, x_zero, w_zero)
        total = _typed(total, like, _SUM)
        if found.bias is not None:
            total = _typed(op.Add(total, op.constant(found.bias, f"{node.name}.bias")), like, _SUM)
        real = _typed(op.Cast(total, to=int(_NUMBER)), like, _NUMBER)
        scaled = _typed(op.Mul(real, op.constant(found.factor, f"{node.name}.factor")), like, _NUMBER)
        one = np.ones([1] * (y_zero.shape.rank() if y_zero is not None and y_zero.shape is not None else 0), np.float32)
        return op.QuantizeLinear(scaled, op.constant(one, f"{node.name}.one"), y_zero)  # type: ignore[no-any-return]


def _read(node: ir.Node) -> Parameters | Skip:
    given = dict(zip(("x", "weight", "result"), ((0, 1, 2), (3, 4, 5), (None, 6, 7)), strict=True))
    scales: list[Array] = []
    for name, (at, scale_at, zero_at) in given.items():
        value = node.outputs[0] if at is None else node.inputs[at]
        scale, zero = constant_array(node.inputs[scale_at]), node.inputs[zero_at]
        if value is None or value.dtype not in _BYTES:
            return Skip(f"its {name} is not of 8 bits")
        if scale is None or scale.dtype != np.float32:
            return Skip(f"the scale of its {name} is computed or not in f32")
        if scale.ndim > 1 or zero is None or zero.shape is None or zero.shape.rank() > 1:
            return Skip(f"the scale or zero point of its {name} has more than one axis")
        scales.append(scale)
    of_x, of_w, of_y = scales
    if of_y.size != 1:
        return Skip("its result has a scale for each row")
    if node.op_type == "QLinearConv":
        return _of_convolution(node, of_x, of_w, of_y)
    rows = of_x.reshape(-1, 1) if of_x.size != 1 else _number(of_x)
    return Parameters(rows * _number(of_w) / _number(of_y), None)


def _of_convolution(node: ir.Node, of_x: Array, of_w: Array, of_y: Array) -> Parameters | Skip:
    weight, bias = node.inputs[3], node.inputs[8] if len(node.inputs) > 8 else None
    steps = constant_array(bias)
    if weight is None or weight.shape is None or of_x.size != 1:
        return Skip("its x has a scale for each place, or the rank of its weight is not known")
    if bias is not None and steps is None:
        return Skip(f"its bias {bias.name} is computed")
    along = (-1, *(1,) * (weight.shape.rank() - 2))
    factor = _number(of_x) * _number(of_w) / _number(of_y)
    shaped = None if steps is None else steps.reshape(along)
    return Parameters(factor.reshape(along) if factor.ndim else factor, shaped)


def _number(scale: Array) -> Array:
    """Without an axis, if it is one number."""
    return scale if scale.size != 1 else scale.reshape(())


def _unless_zero(zero: ir.Value | None) -> ir.Value | None:
    """A zero point, if it is one."""
    known = constant_array(zero)
    return None if known is not None and not known.any() else zero


def _typed(value: ir.Value, like: ir.Value, dtype: ir.DataType) -> ir.Value:
    value.shape, value.type = like.shape, ir.TensorType(dtype)
    return value
