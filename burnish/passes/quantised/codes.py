"""Read how a value is quantised.    value = (codes - zero) * scale,  one scale for all, or one per place on an axis

What DequantizeLinear and QuantizeLinear say, with every form of their parameters: zero points left out, one number in
a vector, axes counted from the back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.linear import op_name
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Skip

EIGHT_BITS = frozenset({ir.DataType.INT8, ir.DataType.UINT8})
LIMITS = {
    ir.DataType.INT4: (-8, 7), ir.DataType.UINT4: (0, 15), ir.DataType.INT8: (-128, 127), ir.DataType.UINT8: (0, 255),
    ir.DataType.INT16: (-32768, 32767), ir.DataType.UINT16: (0, 65535), ir.DataType.INT32: (-(2**31), 2**31 - 1),
}  # fmt: skip


@dataclass(frozen=True)
class Scheme:
    """scale: f32, zero: i64, both [] or [n]; axis: the one they run along, from the front; None: one scale for all."""

    dtype: ir.DataType
    scale: Array
    zero: Array
    axis: int | None

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest code."""
        return LIMITS[self.dtype]

    @property
    def has_positive_scale(self) -> bool:
        """Is a larger code a larger number?"""
        return bool((self.scale > 0).all() and np.isfinite(self.scale).all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scheme) and (
            (self.dtype, self.axis) == (other.dtype, other.axis)
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero, other.zero)
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Codes:
    """A value that DequantizeLinear makes: its node, the codes, and what they stand for."""

    node: ir.Node
    codes: ir.Value
    scheme: Scheme


def read_codes(value: ir.Value | None) -> Codes | Skip:
    """What a DequantizeLinear makes of constants of its own, or why this value is none of that."""
    node = None if value is None else value.producer()
    name = "a missing input" if value is None else value.name
    if value is None or node is None or node.op_type != "DequantizeLinear" or node.domain or node.inputs[0] is None:
        return Skip(f"{name} is not dequantised")
    if value.dtype != ir.DataType.FLOAT:
        return Skip(f"{name} is dequantised to another type than f32")
    scheme = read_scheme(node, node.inputs[0].dtype)
    return scheme if isinstance(scheme, Skip) else Codes(node, node.inputs[0], scheme)


def read_scheme(node: ir.Node, dtype: ir.DataType | None) -> Scheme | Skip:
    """The parameters of a QuantizeLinear or DequantizeLinear. dtype: of its codes."""
    x, given, zero_point = (*node.inputs, None)[:3]
    if dtype not in LIMITS:
        return Skip(f"the codes of {op_name(node)} are {'of an unknown type' if dtype is None else dtype.name.lower()}")
    if "block_size" in node.attributes and node.attributes["block_size"].as_int():
        return Skip(f"{op_name(node)} has a scale for each block of {node.attributes['block_size'].as_int()}")
    scale, zero = constant_array(given), constant_array(zero_point)
    if scale is None or (zero is None and zero_point is not None):
        return Skip(f"the scale or zero point of {op_name(node)} is computed")
    if scale.dtype != np.float32:
        return Skip(f"the scale of {op_name(node)} is no f32")
    zero = np.zeros(scale.shape, np.int64) if zero is None else zero.astype(np.int64)
    if scale.size == 1 and zero.size == 1:
        return Scheme(dtype, scale.reshape(()), zero.reshape(()), None)
    if scale.ndim != 1 or zero.shape != scale.shape or x is None or x.shape is None:
        return Skip(f"{op_name(node)} has a scale of rank {scale.ndim} for a tensor of unknown or other rank")
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 1
    return Scheme(dtype, scale, zero, axis % len(x.shape))
