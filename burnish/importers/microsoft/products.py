"""Products of quantised matrices: integer sums are exact, and scaled once.    y = (a b + c) * (a_scale * b_scale)"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.importers.microsoft.call import DOMAIN, Call, V, expands
from burnish.importers.microsoft.quantised import scalar
from burnish.ops.few_bits import can_pack, unpack_codes
from burnish.passes.rewrite.constants import Array, is_constant


def scaled_product(op: Call, a: V, b: V, scale: V, a_zero: V | None, b_zero: V | None, bias: V | None) -> V:
    """The result is in the scale's type. scale: of the product; one number, or one per column."""
    total = op.MatMulInteger(a, b, scalar(op, a_zero), _one_or_columns(op, b_zero))
    product = op.Mul(op.CastLike(total, scale), scale)
    return product if bias is None else op.Add(product, bias)


def _one_or_columns(op: Call, zero: V | None) -> V | None:
    """A vector with one zero point means one zero point for all columns."""
    return scalar(op, zero) if zero is not None and zero.shape is not None and list(zero.shape) == [1] else zero


@expands("MatMulIntegerToFloat")
def matmul_integer_to_float(
    op: Call, a: V, b: V, a_scale: V, b_scale: V, a_zero: V | None, b_zero: V | None, bias: V | None
) -> V:
    return scaled_product(op, a, b, op.Mul(a_scale, b_scale), a_zero, b_zero, bias)


@expands("DynamicQuantizeMatMul")
def dynamic_quantize_matmul(op: Call, a: V, b: V, b_scale: V, b_zero: V | None, bias: V | None) -> V:
    rounded, a_scale, a_zero = op.write("DynamicQuantizeLinear", [a], _outputs=3)
    return scaled_product(op, rounded, b, op.Mul(a_scale, b_scale), a_zero, b_zero, bias)


@expands("MatMulInteger16")
def matmul_integer_16(op: Call, a: V, b: V) -> V:
    """Sums are in i32, which wraps. Sums in f64 would be exact, but would not wrap."""
    wide = ir.DataType.UINT32 if a.dtype == b.dtype == ir.DataType.UINT16 else ir.DataType.INT32
    return op.MatMul(op.Cast(a, to=wide.value), op.Cast(b, to=wide.value))


@expands("QGemm", alpha=1.0, transA=0, transB=0)
def qgemm(
    op: Call,
    a: V, a_scale: V, a_zero: V, b: V, b_scale: V, b_zero: V, c: V | None, y_scale: V | None, y_zero: V | None,
) -> V:  # fmt: skip
    """alpha scales c too. If y has its own scale, y is rounded after one multiplication, as in ONNX Runtime."""
    if op.attribute("transA"):
        a = op.Transpose(a, perm=[1, 0])
    if op.attribute("transB"):
        b = op.Transpose(b, perm=[1, 0])
    total = op.MatMulInteger(a, b, scalar(op, a_zero), _one_or_columns(op, b_zero))
    if c is not None:
        total = op.Add(total, c)
    factor = op.Mul(scalar(op, a_scale), b_scale)
    if op.attribute("alpha") != 1:
        factor = op.Mul(factor, op.constant(op.attribute("alpha"), "alpha", np.float32))
    real = op.Cast(total, to=ir.DataType.FLOAT.value)
    if y_scale is None:
        return op.Mul(real, factor)
    steps = op.Mul(real, op.Div(factor, scalar(op, y_scale)))
    return op.QuantizeLinear(steps, op.constant(1, "one", np.float32), scalar(op, y_zero))


@expands("MatMulNBits", K=int, N=int, block_size=int, bits=4, accuracy_level=0)
def matmul_n_bits(op: Call, a: V, b: V, scales: V, zeros: V | None, group: V | None, bias: V | None) -> V:
    """a times the transposed weights [N, K].

    Weights are packed in blocks of a row, the first one in the lowest bits.
    """
    K, N, block = op.attribute("K"), op.attribute("N"), op.attribute("block_size")
    blocks, bits = -(-K // block), op.attribute("bits")
    if bits not in (2, 4, 8):
        raise op.refuse(f"weights of {bits} bits")
    codes = _codes(op, op.array(b, "the weights"), bits, (N, blocks * block))[:, :K]
    if zeros is None:
        zero_codes: V | Array = np.full((N, blocks), 1 << (bits - 1), np.uint8)
    elif zeros.dtype == ir.DataType.UINT8:
        zero_codes = _codes(op, op.array(zeros, "zero_points"), bits, (N, -(-blocks * bits // 8) * 8 // bits))[
            :, :blocks
        ]
    else:
        zero_codes = zeros
        if group is None and can_pack(block, bits) and is_constant(zeros) and is_constant(scales):
            return _as_it_is(op, a, b, scales, zeros, bias)
    scale = op.Reshape(scales, op.constant([N, blocks], "blocks", np.int64))
    if group is None and isinstance(zero_codes, np.ndarray):
        small = ir.DataType.UINT8 if bits == 8 else ir.DataType.UINT4
        weights = op.DequantizeLinear(
            _as_type(op, codes, small, "weights"),
            scale,
            _as_type(op, zero_codes, small, "zeros"),
            axis=1,
            block_size=block,
        )
    else:
        weights = _by_group(op, codes, scale, zero_codes, group, block)
    product = op.MatMul(a, op.Transpose(weights, perm=[1, 0]))
    return product if bias is None else op.Add(product, bias)


def _as_it_is(op: Call, a: V, b: V, scales: V, zeros: V, bias: V | None) -> V:
    """DequantizeLinear has no zero points in floats: the product has a definition, and is spelled out by a pass."""
    K, N, block = op.attribute("K"), op.attribute("N"), op.attribute("block_size")
    codes = op.constant(op.array(b, "the weights").reshape(N, -(-K // block), -1), "codes")
    given = {"K": K, "N": N, "block_size": block, "bits": op.attribute("bits")}
    (y,) = op.write("MatMulNBits", [a, codes, scales, zeros, None, bias], _domain=DOMAIN, **given)
    y.type, y.shape = a.type, None if a.shape is None else ir.Shape([*a.shape[:-1], N])
    return y


def _by_group(op: Call, codes: Array, scale: V, zeros: V | Array, group: V | None, block: int) -> V:
    """Dequantise columns that name their group, or zero points in floats: DequantizeLinear has neither."""
    columns = group if group is not None else op.constant(np.arange(codes.shape[1]) // block, "group", np.int64)
    zero = op.constant(zeros, "zeros") if isinstance(zeros, np.ndarray) else op.Reshape(zeros, op.Shape(scale))
    centred = op.Sub(
        op.CastLike(op.constant(codes, "weights"), scale), op.Gather(op.CastLike(zero, scale), columns, axis=1)
    )
    return op.Mul(centred, op.Gather(scale, columns, axis=1))


@expands("GatherBlockQuantized", gather_axis=0, quantize_axis=1, block_size=128, bits=4)
def gather_block_quantized(op: Call, data: V, indices: V, scales: V, zeros: V | None) -> V:
    """Each byte holds several codes of the last axis, the first one in the lowest bits."""
    axis, bits = op.attribute("quantize_axis"), op.attribute("bits")
    if data.dtype == ir.DataType.UINT8:
        packed, small = op.array(data, "the table"), ir.DataType.UINT8 if bits == 8 else ir.DataType.UINT4
        wide = (*packed.shape[:-1], packed.shape[-1] * 8 // bits)
        data = _as_type(op, _codes(op, packed, bits, wide), small, "table")
        if zeros is None:
            zero = np.full(op.array(scales, "the scales").shape, 1 << (bits - 1), np.uint8)
        else:
            shape = op.array(scales, "the scales").shape
            full = op.array(zeros, "zero_points")
            zero = _codes(op, full, bits, (*full.shape[:-1], full.shape[-1] * 8 // bits))[..., : shape[-1]]
        zeros = _as_type(op, zero, small, "zeros")
    real = op.DequantizeLinear(data, scales, zeros, axis=axis, block_size=op.attribute("block_size"))
    return op.Gather(real, indices, axis=op.attribute("gather_axis"))


def _codes(op: Call, packed: Array, bits: int, shape: tuple[int, ...]) -> Array:
    """Unpack the codes: one byte per code."""
    each = 8 // bits
    if packed.dtype != np.uint8 or packed.size * each != int(np.prod(shape)):
        raise op.refuse(f"{packed.size} bytes do not hold {'x'.join(map(str, shape))} codes of {bits} bits")
    return unpack_codes(packed.reshape(-1), bits).reshape(shape)


def _as_type(op: Call, codes: Array, dtype: ir.DataType, name: str) -> V:
    return op.constant(codes.astype(dtype.numpy()), name)
