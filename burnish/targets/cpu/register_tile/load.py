"""Operands on their way into registers: loaded, masked or gathered, and widened to the accumulators' type."""

from __future__ import annotations

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cpu.builder import I1, I32, POINTER, KernelBuilder, type_suffix, vector_type
from burnish.targets.cpu.expressions import memory, storage


def load_operand(
    k: KernelBuilder,
    at: ir.Value,
    dtype: DType,
    wanted: DType,
    lanes: int = 1,
    step: Dim = 1,
    mask: ir.Value | None = None,
) -> ir.Value:
    """Load `lanes` elements from `at`, `step` elements apart, as dtype `wanted`; zero where the mask is false."""
    if lanes == 1 or step == 0:
        raw = k.load(at, storage.storage_type(dtype), dtype.size_bytes)
        return k.splat(widen(k, storage.to_register(k, dtype, raw), dtype, wanted), lanes)
    return widen(k, storage.to_register(k, dtype, load_lanes(k, at, dtype, lanes, step, mask)), dtype, wanted)


def load_lanes(k: KernelBuilder, at: ir.Value, dtype: DType, lanes: int, step: Dim, mask: ir.Value | None) -> ir.Value:
    """Load several elements as they lie in memory, `step` elements apart."""
    kind = vector_type(storage.storage_type(dtype), lanes)
    if step != 1 and lanes > 1:
        return _gather(k, at, kind, step, mask, dtype.size_bytes)
    if mask is None:
        return k.load(at, kind, dtype.size_bytes)
    return memory.masked_load(k, at, kind, mask, dtype.size_bytes)


def widen(k: KernelBuilder, value: ir.Value, dtype: DType, wanted: DType) -> ir.Value:
    """Convert a register value to another dtype that holds it exactly (integers: modulo 2^bits)."""
    lanes = value.type.count if isinstance(value.type, ir.VectorType) else 1
    kind = vector_type(storage.register_type(wanted), lanes)
    if value.type == kind:
        return value
    if wanted.is_float:
        return k.ir.fpext(value, kind)
    return k.ir.sext(value, kind) if dtype.is_signed else k.ir.zext(value, kind)


def scaled(k: KernelBuilder, count: ir.Value, step: Dim) -> ir.Value:
    """count * step as an offset; a constant where both are."""
    if isinstance(count, ir.Constant) and isinstance(step, int):
        return k.i64(int(count.constant) * step)
    if step == 0:
        return k.i64(0)
    return count if step == 1 else k.ir.mul(count, k.dim(step), flags=("nsw",))


def lanes_below(k: KernelBuilder, first: ir.Value, limit: ir.Value, lanes: int) -> ir.Value:
    """The mask of lanes with first + lane < limit."""
    left = k.splat(k.ir.sub(limit, first), lanes)
    return k.ir.icmp_signed("<", k.iota(lanes), left)


def _gather(
    k: KernelBuilder, at: ir.Value, kind: ir.VectorType, step: Dim, mask: ir.Value | None, align: int
) -> ir.Value:
    lanes = kind.count
    offsets = k.ir.mul(k.iota(lanes), k.splat(k.dim(step), lanes))
    places = k.ir.gep(at, [offsets], source_etype=kind.element)
    places.type = ir.VectorType(POINTER, lanes)  # llvmlite types a gep by its base only
    every = ir.Constant(ir.VectorType(I1, lanes), [1] * lanes)
    arguments = [places, ir.Constant(I32, align), every if mask is None else mask, ir.Constant(kind, None)]
    return k.call(f"llvm.masked.gather.{type_suffix(kind)}.v{lanes}p0", kind, arguments)
