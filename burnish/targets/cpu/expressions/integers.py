"""Integer operators: division that never traps, powers, shifts."""

from __future__ import annotations

from llvmlite import ir

from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.targets.cpu.builder import F64, KernelBuilder, element_of, vector_type
from burnish.targets.cpu.expressions.storage import fill


def binary(b: KernelBuilder, op: str, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    """x op y on integers; the sign is the dtype's."""
    simple = {"add": b.ir.add, "sub": b.ir.sub, "mul": b.ir.mul, "bitand": b.ir.and_, "bitor": b.ir.or_,
              "bitxor": b.ir.xor, "and": b.ir.and_, "or": b.ir.or_, "xor": b.ir.xor}  # fmt: skip
    if op in simple:
        return simple[op](x, y)
    if op in ("max", "min"):
        less = b.ir.icmp_signed("<", x, y) if dtype.is_signed else b.ir.icmp_unsigned("<", x, y)
        return b.ir.select(less, x, y) if op == "min" else b.ir.select(less, y, x)
    if op in ("div", "floordiv", "mod", "fmod"):
        return _divide(b, op, dtype, x, y)
    if op in ("shl", "shr"):
        return _shift(b, op, dtype, x, y)
    if op == "pow":
        return _power(b, dtype, x, y)
    raise InternalError("E901", f"operator {op} on {dtype.value} has no CPU code")


def _divide(b: KernelBuilder, op: str, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    """Quotients and remainders. The result is 0 where y is 0."""
    zero, one = ir.Constant(x.type, None), fill(x, element_of(x), 1)
    known = _is_known(y)
    divisor = y if known else b.ir.select(b.ir.icmp_unsigned("==", y, zero), one, y)
    quotient = _truncated(b, dtype, x, divisor, known)
    rest = b.ir.sub(x, b.ir.mul(quotient, divisor))
    if op in ("floordiv", "mod") and dtype.is_signed:
        signs_differ = b.ir.icmp_signed("<", b.ir.xor(rest, divisor), zero)
        inexact = b.ir.and_(b.ir.icmp_unsigned("!=", rest, zero), signs_differ)
        rest = b.ir.add(rest, b.ir.select(inexact, divisor, zero))
        quotient = b.ir.sub(quotient, b.ir.select(inexact, one, zero))
    if op in ("mod", "fmod"):
        return rest
    return quotient if known else b.ir.select(b.ir.icmp_unsigned("==", y, zero), zero, quotient)


def _is_known(divisor: ir.Value) -> bool:
    """Is the value a constant with no zero in any lane?"""
    if not isinstance(divisor, ir.Constant):
        return False
    values = divisor.constant if isinstance(divisor.constant, list | tuple) else [divisor.constant]
    return all(isinstance(v, int) and v != 0 for v in values)


def _truncated(b: KernelBuilder, dtype: DType, x: ir.Value, y: ir.Value, known: bool) -> ir.Value:
    """x / y towards zero; y is not 0. Vectors of up to 32 bits use f64, where the quotient is exact enough."""
    if isinstance(x.type, ir.VectorType) and dtype.size_bytes <= 4:
        wide = vector_type(F64, x.type.count)
        if dtype.is_signed:
            return b.ir.fptosi(b.ir.fdiv(b.ir.sitofp(x, wide), b.ir.sitofp(y, wide)), x.type)
        return b.ir.fptoui(b.ir.fdiv(b.ir.uitofp(x, wide), b.ir.uitofp(y, wide)), x.type)
    if not dtype.is_signed:
        return b.ir.udiv(x, y)
    if known:
        return b.ir.sdiv(x, y)
    minus = b.ir.icmp_signed("==", y, fill(x, element_of(x), -1))  # the lowest number / -1 would trap
    safe = b.ir.select(minus, fill(x, element_of(x), 1), y)
    return b.ir.select(minus, b.ir.neg(x), b.ir.sdiv(x, safe))


def _shift(b: KernelBuilder, op: str, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    bits = dtype.size_bytes * 8
    too_far = b.ir.icmp_unsigned(">=", y, fill(y, element_of(y), bits))
    amount = b.ir.and_(y, fill(y, element_of(y), bits - 1))
    right = b.ir.ashr if dtype.is_signed else b.ir.lshr
    shifted = b.ir.shl(x, amount) if op == "shl" else right(x, amount)
    return b.ir.select(too_far, ir.Constant(x.type, None), shifted)


def _power(b: KernelBuilder, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    """x ** y modulo 2**bits by squaring. A negative exponent gives 0, except for x = 1 and x = -1: 1 or -1."""
    bits = dtype.size_bytes * 8
    element = element_of(x)
    zero, one = ir.Constant(x.type, None), fill(x, element, 1)
    with b.loop(0, bits, carried=(one, x, y)) as loop:
        result, square, rest = loop.carried
        is_odd = b.ir.icmp_unsigned("!=", b.ir.and_(rest, one), zero)
        following = b.ir.select(is_odd, b.ir.mul(result, square), result)
        loop.next = [following, b.ir.mul(square, square), b.ir.lshr(rest, one)]
    powered = loop.results[0]
    if not dtype.is_signed:
        return powered
    is_unit = b.ir.or_(b.ir.icmp_signed("==", x, one), b.ir.icmp_signed("==", x, fill(x, element, -1)))
    keep = b.ir.or_(is_unit, b.ir.icmp_signed(">=", y, zero))
    return b.ir.select(keep, powered, zero)
