"""Keep constant weights of few bits as codes, for kernels that widen them in registers.

    MatMul(x, Transpose(DequantizeLinear(w, scale, zero, block_size)))  ->  MatMulNBits(x, w, scale, zero)

Also without the Transpose, and Gemm. w: 2, 4 or 8 bits, signed or unsigned, with scales for blocks along the summed
axis, for each column, or one for all. MatMulNBits is ONNX Runtime's operator: codes are unsigned, the first one in the
lowest bits of a byte, rows [N, blocks, bytes of a block]. What has scales of another form is dequantised at build.
Exact: codes are only stored otherwise. After the integer products, which want the same weights where data are codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.ops.few_bits import can_pack, pack_codes
from burnish.passes.forms.linear import op_name
from burnish.passes.forms.products import matched
from burnish.passes.rewrite.constants import Array, constant_array, is_constant
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

DOMAIN = "com.microsoft"
NOT_PACKED = "its weight is not dequantised from a constant"
_BITS = {
    ir.DataType.INT2: 2, ir.DataType.UINT2: 2, ir.DataType.INT4: 4, ir.DataType.UINT4: 4,
    ir.DataType.INT8: 8, ir.DataType.UINT8: 8,
}  # fmt: skip
_SIGNED = frozenset({ir.DataType.INT2, ir.DataType.INT4, ir.DataType.INT8})
_LEAST_BLOCK = 16


@dataclass(frozen=True)
class Weight:
    """codes: u8 [N, K], unsigned; scale: [N, blocks]; zero: u8 [N, blocks], or None for the middle of the range."""

    codes: Array
    scale: Array
    zero: Array | None
    block: int
    bits: int


class PackWeights(Rule):
    op_types = ("MatMul", "Gemm")

    def find(self, node: ir.Node) -> Match | Skip:
        weight = _read(node)
        return weight if isinstance(weight, Skip) else matched(node, (node,), found=weight)

    def check(self, match: Match) -> Weight:
        found: Weight = match.found
        return found

    def rewrite(self, op: Builder, match: Match, found: Weight) -> ir.Value:
        node, result = match.root, match.root.outputs[0]
        x, name = node.inputs[0], str(node.name)
        if node.attributes.get_int("transA", 0):
            x = op.Transpose(x, perm=[1, 0])
        (columns, depth), block = found.codes.shape, found.block
        blocks = -(-depth // block)
        padded = np.zeros((columns, blocks * block), np.uint8)
        padded[:, :depth] = found.codes
        words = pack_codes(padded, found.bits).reshape(columns, blocks, -1)
        zero = None if found.zero is None else op.constant(pack_codes(found.zero, found.bits), f"{name}.zeros")
        product = op.node(
            "MatMulNBits",
            x,
            op.constant(words, f"{name}.codes"),
            op.constant(found.scale, f"{name}.scales"),
            zero,
            _domain=DOMAIN,
            K=depth,
            N=columns,
            bits=found.bits,
            block_size=block,
        )
        if node.op_type == "MatMul":
            return product  # type: ignore[no-any-return]
        return _of_gemm(op, node, _typed(product, result))


def _of_gemm(op: Builder, node: ir.Node, product: ir.Value) -> ir.Value:
    """alpha * product + beta * c"""
    result, c = node.outputs[0], node.inputs[2] if len(node.inputs) > 2 else None
    dtype = result.dtype.numpy() if result.dtype is not None else np.float32
    for name in ("alpha", "beta"):
        factor = node.attributes.get_float(name, 1.0)
        if factor == 1.0 or (name == "beta" and (c is None or factor == 0.0)):
            continue
        number = op.constant(np.array(factor, dtype), f"{node.name}.{name}")
        if name == "alpha":
            product = _typed(op.Mul(product, number), result)
        else:
            assert c is not None
            c = _typed(op.Mul(c, number), c)
    if c is None or node.attributes.get_float("beta", 1.0) == 0.0:
        return product
    return op.Add(product, c)  # type: ignore[no-any-return]


def _typed(value: ir.Value, like: ir.Value) -> ir.Value:
    value.shape, value.type = like.shape, like.type
    return value


def _read(node: ir.Node) -> Weight | Skip:
    x, value = node.inputs[0], node.inputs[1]
    source = None if value is None else value.producer()
    is_turned = bool(node.attributes.get_int("transB", 0))
    if _turns(source) and source is not None and source.inputs[0] is not None:
        is_turned, source = not is_turned, source.inputs[0].producer()
    if source is None or source.op_type != "DequantizeLinear" or source.domain or not is_constant(source.inputs[0]):
        return Skip(NOT_PACKED)
    if x is None or x.shape is None or x.shape.rank() < 2:
        return Skip("its data are a vector, or of unknown rank")
    return read_weight(source, is_turned)


def _turns(node: ir.Node | None) -> bool:
    """Does it exchange the axes of a matrix?"""
    is_transpose = node is not None and node.op_type == "Transpose" and not node.domain
    return is_transpose and node is not None and list(node.attributes.get_ints("perm", [1, 0])) == [1, 0]


def read_weight(node: ir.Node, is_turned: bool) -> Weight | Skip:
    """The weight that a DequantizeLinear of constants makes. is_turned: it is [N, K] and not [K, N]."""
    values = (*node.inputs, None)[:3]
    codes, scale, zero = (constant_array(v) for v in values)
    dtype = values[0].dtype if values[0] is not None else None
    if codes is None or scale is None or not codes.size or (zero is None and values[2] is not None):
        return Skip(f"a parameter of {op_name(node)} is computed")
    if dtype not in _BITS or codes.ndim != 2:
        return Skip(f"the codes of {op_name(node)} are no matrix of 2, 4 or 8 bits")
    bits, along = _BITS[dtype], 1 if is_turned else 0
    spread = _spread(node, codes.shape, scale, along)
    if isinstance(spread, Skip):
        return spread
    block = spread
    if not can_pack(block, bits):
        return Skip(f"{op_name(node)} has a scale for each block of {block}, which are no whole words")
    offset = 1 << (bits - 1) if dtype in _SIGNED else 0

    def rows(parameter: Array) -> Array:
        """[N, blocks]"""
        columns = codes.shape[1 - along]
        if parameter.ndim == 2:
            return np.ascontiguousarray(parameter if is_turned else parameter.T)
        return np.ascontiguousarray(np.broadcast_to(parameter.reshape(-1, 1), (columns, 1)))

    unsigned = _unsigned(codes, offset)
    zeros = np.full((1, 1), offset, np.uint8) if zero is None else _unsigned(zero, offset)
    if (zeros == 1 << (bits - 1)).all():
        kept = None
    else:
        kept = rows(zeros if zero is not None else zeros.reshape(-1))
        kept = np.ascontiguousarray(np.broadcast_to(kept, rows(scale).shape))
    return Weight(np.ascontiguousarray(unsigned if is_turned else unsigned.T), rows(scale), kept, block, bits)


def _unsigned(codes: Array, offset: int) -> Array:
    return (codes.astype(np.int16) + offset).astype(np.uint8)


def _spread(node: ir.Node, shape: tuple[int, ...], scale: Array, along: int) -> int | Skip:
    """The size of a block along the summed axis; a power of two that holds the whole axis for one scale a column."""
    block, axis = node.attributes.get_int("block_size", 0), node.attributes.get_int("axis", 1) % 2
    whole = max(_LEAST_BLOCK, 1 << (shape[along] - 1).bit_length())
    if scale.size == 1 and not block:
        return whole
    if block:
        return block if axis == along else Skip(f"{op_name(node)} has blocks along an axis that is not summed")
    if axis == along:
        return Skip(f"{op_name(node)} has a scale for each row that is summed")
    return whole
