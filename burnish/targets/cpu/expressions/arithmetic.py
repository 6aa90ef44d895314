"""Operators on register values, scalars and vectors alike: which instructions each (operator, dtype) takes.

Minimum and maximum propagate NaN. Integer division never traps: x / 0 is 0, the lowest number / -1 wraps. Shifts by the
width or more give 0. A float that leaves an integer's range converts to an unspecified number, as in C.
"""

from __future__ import annotations

from llvmlite import ir

from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.targets.cpu.builder import I1, I32, I64, KernelBuilder, element_of, lanes_of, type_suffix, vector_type
from burnish.targets.cpu.expressions import exponential, integers, narrow, trigonometry
from burnish.targets.cpu.expressions.real import Real
from burnish.targets.cpu.expressions.storage import fill, register_type, to_register, to_storage

_FUNCTIONS = {**exponential.FUNCTIONS, **trigonometry.FUNCTIONS}
_ROUNDED = {"round_f16": DType.F16, "round_bf16": DType.BF16, "round_f8e4m3": DType.F8E4M3}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def unary(b: KernelBuilder, op: str, dtype: DType, x: ir.Value) -> ir.Value:
    """op(x)"""
    if dtype.is_float:
        return _float_unary(b, op, dtype, x)
    if op in ("not", "bitnot"):
        return b.ir.not_(x)
    if op in ("isnan", "isinf"):
        return fill(x, I1, 0)
    if op == "neg":
        return b.ir.neg(x)
    if op in ("floor", "ceil", "round", "trunc"):
        return x
    if op == "abs":
        return (
            x
            if not dtype.is_signed
            else b.ir.select(b.ir.icmp_signed("<", x, fill(x, element_of(x), 0)), b.ir.neg(x), x)
        )
    if op == "sign":
        zero = fill(x, element_of(x), 0)
        positive = b.ir.zext(b.ir.icmp_unsigned("!=", x, zero), x.type)
        if not dtype.is_signed:
            return positive
        return b.ir.select(b.ir.icmp_signed("<", x, zero), fill(x, element_of(x), -1), positive)
    raise _missing(op, dtype)


def _float_unary(b: KernelBuilder, op: str, dtype: DType, x: ir.Value) -> ir.Value:
    real = Real(b, x)
    if op == "neg":
        return b.ir.fneg(x)
    if op == "abs":
        return abs(real).value
    if op == "sqrt":
        return real.intrinsic("sqrt").value
    if op == "reciprocal":
        return (1.0 / real).value
    if op in ("floor", "ceil", "trunc"):
        return real.intrinsic(op).value
    if op == "round":
        return real.intrinsic("roundeven").value
    if op == "isnan":
        return real.is_nan()
    if op == "isinf":
        return abs(real) == float("inf")
    if op == "sign":
        signed = real.pick(real.is_nan(), real, real.of(1.0).with_sign_of(real))
        return real.pick(_is_not_zero(real), signed, 0.0).value
    if op in _ROUNDED:
        kept = _ROUNDED[op]
        return to_register(b, kept, to_storage(b, kept, x))
    short = narrow.FUNCTIONS.get(op) if dtype is DType.BF16 and b.at_least("x86-64-v4") else None
    return (short or _FUNCTIONS[op])(real).value


def binary(b: KernelBuilder, op: str, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    """x op y"""
    if op in _COMPARE:
        return _compare(b, op, dtype, x, y)
    if dtype.is_float:
        return _float_binary(b, op, x, y)
    if dtype is DType.BOOL:
        table = {"and": b.ir.and_, "or": b.ir.or_, "xor": b.ir.xor, "max": b.ir.or_, "min": b.ir.and_, "mul": b.ir.and_,
                 "add": b.ir.or_}  # fmt: skip
        if op in table:
            return table[op](x, y)
        raise _missing(op, dtype)
    return integers.binary(b, op, dtype, x, y)


def _compare(b: KernelBuilder, op: str, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    sign = _COMPARE[op]
    if dtype.is_float:
        return b.ir.fcmp_unordered(sign, x, y) if op == "ne" else b.ir.fcmp_ordered(sign, x, y)
    return b.ir.icmp_signed(sign, x, y) if dtype.is_signed else b.ir.icmp_unsigned(sign, x, y)


def _float_binary(b: KernelBuilder, op: str, x: ir.Value, y: ir.Value) -> ir.Value:
    simple = {"add": b.ir.fadd, "sub": b.ir.fsub, "mul": b.ir.fmul}
    if op in simple:
        return simple[op](x, y, flags=("contract",))  # a product and a sum may become one FMA
    if op == "unfused_mul":
        return b.ir.fmul(x, y)
    if op == "div":
        return b.ir.fdiv(x, y)
    if op == "quotient":
        return _quotient(b, x, y)
    if op in ("max", "min"):
        return extreme(b, op, x, y)
    left, right = Real(b, x), Real(b, y)
    if op == "floordiv":
        return (left / right).intrinsic("floor").value
    if op == "pow":
        return exponential.power(left, right).value
    if op == "fmod":
        return exponential.remainder(left, right).value
    if op == "mod":
        rest = exponential.remainder(left, right)
        wrong_sign = b.ir.and_(rest != 0.0, b.ir.xor(rest < 0.0, right < 0.0))
        return rest.pick(wrong_sign, rest + right, rest).value
    raise InternalError("E901", f"operator {op} on floats has no CPU code")


def _quotient(b: KernelBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """x / y for the nearest integer, as kernels/codes.py has it: y is known, so LLVM divides once for all x."""
    reciprocal = b.ir.fdiv(fill(y, element_of(y), 1.0), y)
    near = b.ir.fmul(x, reciprocal)
    rest = b.multiply_add(b.ir.fneg(near), y, x)
    return b.multiply_add(rest, reciprocal, near)


def extreme(b: KernelBuilder, op: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """max or min of floats; NaN if either is NaN. One instruction if one side is known to be a number, else three."""
    if isinstance(y, ir.Constant) or (_is_number(y) and not _is_number(x)):
        x, y = y, x
    sign = ">" if op == "max" else "<"
    # maxps and minps give the second operand when the two do not compare: a NaN in y stays
    chosen = b.ir.select(b.ir.fcmp_ordered(sign, x, y), x, y)
    if _is_number(x):
        return chosen
    return b.ir.select(b.ir.fcmp_unordered("uno", x, x), x, chosen)


def cast(b: KernelBuilder, source: DType, target: DType, x: ir.Value) -> ir.Value:
    """Convert a register value from one dtype to another. Values for f16 or bf16 are not rounded here but at stores."""
    if target is DType.BOOL:
        return _is_not_zero(Real(b, x)) if source.is_float else b.ir.icmp_unsigned("!=", x, ir.Constant(x.type, None))
    kind = vector_type(register_type(target), lanes_of(x))
    if source.is_float and target.is_float:
        return _float_to_float(b, source, target, x, kind)
    if target.is_float:
        return b.ir.sitofp(x, kind) if source.is_signed else b.ir.uitofp(x, kind)
    if source.is_float:
        return _float_to_integer(b, target, x, kind)
    width, wanted = element_of(x).width, register_type(target).width
    if width == wanted:
        return x
    if width > wanted:
        return b.ir.trunc(x, kind)
    return b.ir.sext(x, kind) if source.is_signed else b.ir.zext(x, kind)


def _is_not_zero(real: Real) -> ir.Value:
    """By the bits without the sign: a comparison of floats would take a subnormal number as zero.

    If any of them is set, adding all of them carries into the sign. LLVM would make a comparison of the bits with 0
    one of floats: it does not know that a plan runs with subnormals off.
    """
    ir_, width = real.b.ir, 64 if real.is_double else 32
    all_but_sign = real.integer((1 << (width - 1)) - 1)
    carried = ir_.add(ir_.and_(real.bits(), all_but_sign), all_but_sign)
    return ir_.trunc(ir_.lshr(carried, real.integer(width - 1)), vector_type(I1, real.lanes))


def _float_to_float(b: KernelBuilder, source: DType, target: DType, x: ir.Value, kind: ir.Type) -> ir.Value:
    if source is DType.F64 and target is not DType.F64:
        x = b.ir.fptrunc(x, kind)
    elif target is DType.F64 and source is not DType.F64:
        return b.ir.fpext(x, kind)
    return x


def _float_to_integer(b: KernelBuilder, target: DType, x: ir.Value, kind: ir.Type) -> ir.Value:
    if target is DType.U64:
        return b.ir.fptoui(x, kind)
    rounded = _rounded(x) if target.size_bytes <= 4 and target is not DType.U32 else None
    if rounded is not None:  # one instruction rounds and converts
        wide = vector_type(I32, lanes_of(x))
        found = b.call(f"llvm.lrint.{type_suffix(wide)}.{type_suffix(x.type)}", wide, [rounded])
        return found if target is DType.I32 else b.ir.trunc(found, kind)
    if target.size_bytes == 8 or target is DType.I32:
        return b.ir.fptosi(x, kind)
    through = I64 if target is DType.U32 else I32
    return b.ir.trunc(b.ir.fptosi(x, vector_type(through, lanes_of(x))), kind)


def _is_number(x: ir.Value) -> bool:
    """Is it known not to be a NaN? An integer is a number, and so is what is taken unless a value compares with one."""
    x = _in_lanes(x)
    if isinstance(x, ir.SelectInstr) and isinstance(x.cond, ir.FCMPInstr) and x.cond.op in ("ogt", "olt"):
        pairs = zip(x.cond.operands, x.operands[1:])
        return all(_in_lanes(a) is _in_lanes(b) for a, b in pairs) and _is_number(x.operands[2])
    return isinstance(x, ir.Constant) or (isinstance(x, ir.CastInstr) and x.opname in ("sitofp", "uitofp"))


def _in_lanes(x: ir.Value) -> ir.Value:
    """The scalar that is in every lane, or the value itself."""
    if isinstance(x, ir.ShuffleVector) and isinstance(x.operands[0], ir.InsertElement):
        return x.operands[0].operands[1]
    return x


def _rounded(x: ir.Value) -> ir.Value | None:
    """Of what a value was rounded to the nearest even integer, if it was."""
    is_call = isinstance(x, ir.CallInstr) and str(x.callee.name).startswith("llvm.roundeven.")
    return x.args[0] if is_call else None


def _missing(op: str, dtype: DType) -> InternalError:
    return InternalError("E901", f"operator {op} on {dtype.value} has no CPU code")
