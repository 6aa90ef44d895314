"""Constants of few bits as ONNX Runtime has them: weights of products (MatMulNBits), tables (GatherBlockQuantized)."""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.ops.agreement import agree, inside
from burnish.ops.indexing import position
from burnish.ops.language.definition import Blocked, Compute, Index, MatMul, NodeView, Tensor
from burnish.ops.language.expr import Expr, binary, cast
from burnish.ops.registry import Misfit, Undefined, operator

Array = np.ndarray[Any, Any]
WORD_BITS = 32


def unpack_codes(packed: Array, bits: int) -> Array:
    """A byte a code, of u8 codes that lie side by side along the last axis, the first one in the lowest bits."""
    each = 8 // bits
    shifts = np.arange(each, dtype=np.uint8) * np.uint8(bits)
    codes: Array = (packed[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return codes.reshape(*packed.shape[:-1], -1)


def pack_codes(codes: Array, bits: int) -> Array:
    """What `unpack_codes` reads: u8 codes side by side in bytes; the rest of the last byte is zero."""
    each = 8 // bits
    wide = -(-codes.shape[-1] // each) * each
    padded = np.zeros((*codes.shape[:-1], wide), np.uint8)
    padded[..., : codes.shape[-1]] = codes
    packed = np.zeros((*codes.shape[:-1], wide // each), np.uint8)
    for n in range(each):
        packed |= padded[..., n::each] << np.uint8(n * bits)
    return packed


def zero_points(zero: Array, bits: int, columns: int, blocks: int) -> Array:
    """[columns, blocks], of floats as they are, or of u8 codes that lie side by side."""
    if zero.dtype != np.uint8:
        return zero.reshape(columns, blocks)
    return unpack_codes(zero.reshape(columns, -1), bits)[:, :blocks]


def can_pack(size: int, bits: int) -> bool:
    """Can kernels keep blocks of this size? They consist of whole words of 32 bits."""
    return bits in (2, 4, 8) and size > 0 and size % (WORD_BITS // bits) == 0


@operator("MatMulNBits", "com.microsoft")
def matmul_n_bits(node: NodeView) -> MatMul:
    """x [..., K] times weights [N, K], which lie as codes [N, blocks, bytes of a block]"""
    x, codes, scale, zero = node.tensor(0), node.tensor(1), node.tensor(2), node.optional(3)
    depth, columns, size, bits = (node.attr(name) for name in ("K", "N", "block_size", "bits"))
    if node.optional(4) is not None or not can_pack(size, bits):
        raise Undefined(f"MatMulNBits of {bits} bits in blocks of {size}, or with groups of columns")
    if not all(_is_constant(t) for t in (codes, scale, zero) if t is not None):
        raise Undefined("MatMulNBits of weights that are computed")
    if x.rank < 2:
        raise Misfit("its data are no matrix")
    agree(x.shape[-1], depth, f"the last axis of '{x.name}' and K")
    blocks = Blocked(codes, scale, zero, size, bits)
    weight = Tensor(codes.name, x.dtype, (depth, columns))
    return MatMul(x, weight, node.optional(5), (*x.shape[:-1], columns), x.dtype, blocks=blocks)


@operator("GatherBlockQuantized", "com.microsoft")
def gather_block_quantized(node: NodeView) -> Compute:
    """out[i..., k] = (code[indices[i...], k] - zero) * scale; rows of u8 that hold several codes each"""
    table, indices, scale, zero = (node.tensor(n) for n in range(4))
    bits, size = node.attr("bits"), node.attr("block_size")
    if (
        table.rank != 2
        or table.dtype is not DType.U8
        or (node.attr("gather_axis"), node.attr("quantize_axis")) != (0, 1)
    ):
        raise Undefined("GatherBlockQuantized of another form than rows of a matrix of bytes")
    each = 8 // bits
    inside(indices, table, 0)

    def code(packed: Tensor, row: Expr, place: Expr) -> Expr:
        byte = cast(packed[row, place // each], DType.I32)
        shift = cast(place - place // each * each, DType.I32) * bits
        return binary("bitand", binary("shr", byte, shift), (1 << bits) - 1)

    def body(i: Index) -> Expr:
        row, k = position(indices[i[:-1]], table.shape[0]), i[-1]
        number = cast(code(table, row, k) - code(zero, row, k // size), DType.F32)
        return cast(binary("unfused_mul", number, cast(scale[row, k // size], DType.F32)), scale.dtype)

    return Compute(scale.dtype, (*indices.shape, table.shape[1] * each), body)


def _is_constant(tensor: Tensor) -> bool:
    return tensor.array is not None or tensor.elements is not None
