"""How a dtype lies in memory and how it is held in registers, and the conversions between the two.

    dtype        memory   register
    f64, f32     same     same
    f16, bf16    i16      float (arithmetic and casts in f32, rounded to nearest even here, at stores)
    integers     same     same (LLVM's integers have no sign; operations choose it)
    bool         i8       i1; 0 is false, anything else true; 1 is written

Conversions are integer operations where the level has no instruction, so that no library is ever called.
"""

from __future__ import annotations

from llvmlite import ir

from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.targets.cpu.builder import F16, F32, F64, I1, I8, I16, I32, KernelBuilder, lanes_of, vector_type

_F8_BIAS = (127 - 7) << 3  # between the exponents of f32 and e4m3, above 3 bits of mantissa
_F8_UNITS = 0x46800000  # the bits of 2^14
_NARROWING_LANES = {8: 256, 16: 512, 32: 512}  # of vcvtneps2bf16; the last of vcvtne2ps2bf16


class BFloat(ir.types.Type):  # type: ignore[misc]
    """LLVM's bfloat, which llvmlite does not know; only instructions on pairs, and the one that rounds, have it."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


def storage_type(dtype: DType) -> ir.Type:
    """The LLVM type of an element in memory."""
    if dtype is DType.F64:
        return F64
    if dtype is DType.F32:
        return F32
    if dtype in (DType.F8E5M2, DType.STRING):
        raise InternalError("E901", f"elements of {dtype.value} have no CPU code")
    return ir.IntType(dtype.size_bytes * 8)


def register_type(dtype: DType) -> ir.Type:
    """The LLVM type of an element in a register."""
    if dtype is DType.F64:
        return F64
    if dtype.is_float:
        return F32
    return I1 if dtype is DType.BOOL else ir.IntType(dtype.size_bytes * 8)


def to_register(b: KernelBuilder, dtype: DType, raw: ir.Value) -> ir.Value:
    """Convert an element from its form in memory."""
    if dtype is DType.BOOL:
        return b.ir.icmp_unsigned("!=", raw, ir.Constant(raw.type, None))
    if dtype is DType.BF16:
        return b.ir.bitcast(b.ir.shl(b.ir.zext(raw, _like(raw, I32)), fill(raw, I32, 16)), _like(raw, F32))
    if dtype is DType.F16:
        return half_to_float(b, raw)
    if dtype is DType.F8E4M3:
        return float8_to_float(b, raw)
    return raw


def to_storage(b: KernelBuilder, dtype: DType, value: ir.Value) -> ir.Value:
    """Convert an element to its form in memory; floats are rounded to nearest even."""
    if dtype is DType.BOOL:
        return b.ir.zext(value, _like(value, I8))
    if dtype is DType.BF16:
        if "bf16" in b.target.extensions and lanes_of(value) in _NARROWING_LANES:
            return _narrowed(b, value)
        return b.ir.trunc(b.ir.lshr(_round_to_bf16(b, value), fill(value, I32, 16)), _like(value, I16))
    if dtype is DType.F16:
        return float_to_half(b, value)
    if dtype is DType.F8E4M3:
        return float_to_float8(b, value)
    return value


def half_to_float(b: KernelBuilder, raw: ir.Value) -> ir.Value:
    """f16 bits -> f32, exactly (subnormals, infinities and NaN too)."""
    if b.at_least("x86-64-v3"):
        return b.ir.fpext(b.ir.bitcast(raw, _like(raw, F16)), _like(raw, F32))
    wide = b.ir.zext(raw, _like(raw, I32))
    sign = b.ir.shl(b.ir.and_(wide, fill(raw, I32, 0x8000)), fill(raw, I32, 16))
    bits = b.ir.shl(b.ir.and_(wide, fill(raw, I32, 0x7FFF)), fill(raw, I32, 13))
    # a product changes the exponent's bias from 15 to 127, and also normalises subnormals
    scaled = b.ir.fmul(b.ir.bitcast(bits, _like(raw, F32)), fill(raw, F32, 2.0**112))
    special = b.ir.icmp_unsigned(">=", bits, fill(raw, I32, 0x7C00 << 13))
    scaled_bits = b.ir.bitcast(scaled, _like(raw, I32))
    scaled_bits = b.ir.select(special, b.ir.or_(bits, fill(raw, I32, 0x7F800000)), scaled_bits)
    return b.ir.bitcast(b.ir.or_(scaled_bits, sign), _like(raw, F32))


def float_to_half(b: KernelBuilder, value: ir.Value) -> ir.Value:
    """f32 -> f16 bits, to nearest even; overflow gives infinity, NaN stays NaN."""
    if b.at_least("x86-64-v3"):
        return b.ir.bitcast(b.ir.fptrunc(value, _like(value, F16)), _like(value, I16))
    bits = b.ir.bitcast(value, _like(value, I32))
    magnitude = b.ir.and_(bits, fill(value, I32, 0x7FFFFFFF))
    sign = b.ir.lshr(b.ir.and_(bits, fill(value, I32, 0x80000000)), fill(value, I32, 16))
    odd = b.ir.and_(b.ir.lshr(magnitude, fill(value, I32, 13)), fill(value, I32, 1))
    rounded_up = b.ir.add(magnitude, b.ir.add(fill(value, I32, 0xFFF - (112 << 23)), odd))
    normal = b.ir.lshr(rounded_up, fill(value, I32, 13))
    # below 2^-14: adding 0.5 puts the f16 subnormal's unit at the f32's last bit, rounded by the hardware
    shifted = b.ir.fadd(b.ir.bitcast(magnitude, value.type), fill(value, F32, 0.5))
    subnormal = b.ir.sub(b.ir.bitcast(shifted, _like(value, I32)), fill(value, I32, 0x3F000000))
    half = b.ir.select(b.ir.icmp_unsigned("<", magnitude, fill(value, I32, 113 << 23)), subnormal, normal)
    overflows = b.ir.icmp_unsigned(">=", magnitude, fill(value, I32, 0x477FF000))
    half = b.ir.select(overflows, fill(value, I32, 0x7C00), half)
    is_nan = b.ir.icmp_unsigned(">", magnitude, fill(value, I32, 0x7F800000))
    half = b.ir.select(is_nan, fill(value, I32, 0x7E00), half)
    return b.ir.trunc(b.ir.or_(half, sign), _like(value, I16))


def float8_to_float(b: KernelBuilder, raw: ir.Value) -> ir.Value:
    """e4m3 bits -> f32, exactly; 0x7f is NaN, and infinities there are none."""
    wide = b.ir.zext(raw, _like(raw, I32))
    magnitude = b.ir.and_(wide, fill(raw, I32, 0x7F))
    normal = b.ir.add(b.ir.shl(magnitude, fill(raw, I32, 20)), fill(raw, I32, _F8_BIAS << 20))
    # an f32 of 2^14 counts units of 2^-9, which subnormals are multiples of, in its last bit
    shifted = b.ir.bitcast(b.ir.or_(magnitude, fill(raw, I32, _F8_UNITS)), _like(raw, F32))
    subnormal = b.ir.bitcast(b.ir.fsub(shifted, fill(raw, F32, 2.0**14)), _like(raw, I32))
    bits = b.ir.select(b.ir.icmp_unsigned("<", magnitude, fill(raw, I32, 8)), subnormal, normal)
    bits = b.ir.select(b.ir.icmp_unsigned("==", magnitude, fill(raw, I32, 0x7F)), fill(raw, I32, 0x7FC00000), bits)
    sign = b.ir.shl(b.ir.and_(wide, fill(raw, I32, 0x80)), fill(raw, I32, 24))
    return b.ir.bitcast(b.ir.or_(bits, sign), _like(raw, F32))


def float_to_float8(b: KernelBuilder, value: ir.Value) -> ir.Value:
    """f32 -> e4m3 bits, to nearest even; what is beyond the largest, 448, becomes it, NaN stays NaN."""
    bits = b.ir.bitcast(value, _like(value, I32))
    whole = b.ir.and_(bits, fill(value, I32, 0x7FFFFFFF))
    is_large = b.ir.icmp_unsigned(">", whole, fill(value, I32, 0x43E00000))
    magnitude = b.ir.select(is_large, fill(value, I32, 0x43E00000), whole)
    odd = b.ir.and_(b.ir.lshr(magnitude, fill(value, I32, 20)), fill(value, I32, 1))
    rounded = b.ir.add(magnitude, b.ir.add(fill(value, I32, 0x7FFFF), odd))
    normal = b.ir.sub(b.ir.lshr(rounded, fill(value, I32, 20)), fill(value, I32, _F8_BIAS))
    shifted = b.ir.fadd(b.ir.bitcast(magnitude, value.type), fill(value, F32, 2.0**14))
    subnormal = b.ir.sub(b.ir.bitcast(shifted, _like(value, I32)), fill(value, I32, _F8_UNITS))
    code = b.ir.select(b.ir.icmp_unsigned("<", magnitude, fill(value, I32, 121 << 23)), subnormal, normal)
    is_nan = b.ir.icmp_unsigned(">", whole, fill(value, I32, 0x7F800000))
    code = b.ir.select(is_nan, fill(value, I32, 0x7F), code)
    sign = b.ir.lshr(b.ir.and_(bits, fill(value, I32, 0x80000000)), fill(value, I32, 24))
    return b.ir.trunc(b.ir.or_(code, sign), _like(value, I8))


def fill(like: ir.Value, element: ir.Type, value: float | int) -> ir.Constant:
    """A constant in as many lanes as `like` has."""
    lanes = lanes_of(like)
    return ir.Constant(ir.VectorType(element, lanes), [value] * lanes) if lanes > 1 else ir.Constant(element, value)


def _round_to_bf16(b: KernelBuilder, value: ir.Value) -> ir.Value:
    bits = b.ir.bitcast(value, _like(value, I32))
    odd = b.ir.and_(b.ir.lshr(bits, fill(value, I32, 16)), fill(value, I32, 1))
    nearest = b.ir.and_(b.ir.add(bits, b.ir.add(fill(value, I32, 0x7FFF), odd)), fill(value, I32, 0xFFFF0000))
    quiet = b.ir.or_(b.ir.and_(bits, fill(value, I32, 0xFFFF0000)), fill(value, I32, 0x00400000))
    return b.ir.select(b.ir.fcmp_unordered("uno", value, value), quiet, nearest)


def _narrowed(b: KernelBuilder, value: ir.Value) -> ir.Value:
    """f32 -> bf16 bits in one instruction; subnormals become zero, as everywhere in a plan."""
    lanes, operands = lanes_of(value), [value]
    name = f"llvm.x86.avx512bf16.cvtneps2bf16.{_NARROWING_LANES[lanes]}"
    if lanes == 32:
        name = name.replace("neps", "ne2ps")
        halves = [ir.Constant(ir.VectorType(I32, 16), list(range(start, start + 16))) for start in (16, 0)]
        operands = [b.ir.shuffle_vector(value, value, half) for half in halves]
    return b.ir.bitcast(b.call(name, ir.VectorType(BFloat(), lanes), operands), ir.VectorType(I16, lanes))


def _like(value: ir.Value, element: ir.Type) -> ir.Type:
    return vector_type(element, lanes_of(value))
