"""Operators as Triton text: which Triton expression each (operator, dtype) takes.

Registers: f32 for f32, f16 and bf16; f64; integers of their own width and sign; int1 for bool. Arguments are names (or,
for constants, literals). Operators that Triton lacks come from libdevice, NVIDIA's library, which is linked when a
kernel is compiled: nothing is needed at run time. Largest errors in ulp of f32 (see CUDA's programming guide):

    exp       2 + |x| (through ex2.approx)      log 1, tanh 2, erf 2, sin cos 2, tan 4, expm1 log1p 1, pow 4
    sqrt      correctly rounded                 div 2 (correctly rounded where it decides: see `as_written`)
    erf of f16 and bf16: 3e-5 of its value, under a tenth of their ulp, in half the instructions
    asin acos atan 4   sinh cosh 3   asinh acosh atanh 4   fmod exact

Minimum and maximum propagate NaN. Integer division by zero gives 0, the lowest number / -1 wraps; shifts by the width
or more give 0. A float that leaves an integer's range converts to an unspecified number.
"""

from __future__ import annotations

import math

from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.ops.language.expr import COMBINES
from burnish.targets.cuda.expressions import packed_bytes
from burnish.targets.cuda.text import Function, KernelText

_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "bitand": "&",
    "bitor": "|",
    "bitxor": "^",
    "and": "&",
    "or": "|",
    "xor": "^",
}
_BOOL = {"and": "&", "or": "|", "xor": "^", "max": "|", "min": "&", "mul": "&", "add": "|"}
_LIBRARY = frozenset({  # libdevice's functions, by our name
    "tanh", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "log1p", "expm1", "trunc",
})  # fmt: skip
_BUILT_IN = frozenset({"exp", "log", "erf", "sin", "cos", "floor", "ceil", "abs"})
_KINDS = {
    "f64": "float64", "f32": "float32", "f16": "float32", "bf16": "float32", "f8e4m3": "float32", "bool": "int1",
    "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8",
    "u64": "uint64", "u32": "uint32", "u16": "uint16", "u8": "uint8",
}  # fmt: skip
_STORED = {"f16": "float16", "bf16": "bfloat16", "f8e4m3": "float8e4nv", "bool": "int8"}

MAXIMUM = Function(
    "maximum",
    """
@triton.jit
def maximum(x, y):
    return tl.maximum(x, y, propagate_nan=tl.PropagateNan.ALL)
""",
)
MINIMUM = Function(
    "minimum",
    """
@triton.jit
def minimum(x, y):
    return tl.minimum(x, y, propagate_nan=tl.PropagateNan.ALL)
""",
)
NEAR_ERF = Function(
    "near_erf",
    """
@triton.jit
def near_erf(x):
    x = tl.clamp(x, -3.0, 3.0, propagate_nan=tl.PropagateNan.ALL)
    t = x * x
    p = t * 4.52058302e-08 - 2.12016016e-06
    p = p * t + 4.39104551e-05
    p = p * t - 0.000535774743
    p = p * t + 0.00435878383
    p = p * t - 0.0254560355
    p = p * t + 0.111625083
    p = p * t - 0.37570405
    p = p * t + 1.12835336
    return x * p
""",
)
PRODUCT = Function(
    "product",
    """
@triton.jit
def product(x, y):
    return x * y
""",
)
QUOTIENT = Function(
    "quotient",
    """
@triton.jit
def quotient(x, y):
    reciprocal = tl.div_rn(1.0, y)
    rest = tl.fma(-reciprocal, y, 1.0) * reciprocal
    return tl.fma(x, reciprocal, x * rest)
""",
)
INTEGER_POWER = Function(
    "integer_power",
    """
@triton.jit
def integer_power(x, y, BITS: tl.constexpr):
    result = x * 0 + y * 0 + 1
    base = x + y * 0
    rest = y + x * 0
    for n in range(BITS):
        result = tl.where((rest & 1) != 0, result * base, result)
        base = base * base
        rest = rest >> 1
    return result
""",
)


def register_kind(dtype: DType) -> str:
    """The Triton type an element is held in."""
    found = _KINDS.get(dtype.value)
    if found is None:
        raise InternalError("E901", f"elements of {dtype.value} have no CUDA code")
    return found


def stored_kind(dtype: DType) -> str:
    """The Triton type an element has in memory."""
    return _STORED.get(dtype.value) or register_kind(dtype)


def nothing(dtype: DType) -> str:
    """What lanes that a mask leaves out read: zero, which Triton does not convert from an integer to float8."""
    return "0.0" if dtype is DType.F8E4M3 else "0"


def literal(value: float | int | bool, kind: str) -> str:
    """A constant as a Python literal."""
    if "float" in kind:
        number = float(value)
        if number != number or number in (float("inf"), float("-inf")):
            return f'float("{number}")'
        return repr(number)
    if kind == "int1":
        return "True" if value else "False"
    return f"({int(value)})" if value < 0 else str(int(value))


def typed(value: float | int | bool, kind: str) -> str:
    """A constant as a Triton scalar."""
    return f"tl.full([], {literal(value, kind)}, tl.{kind})"


def combine(text: KernelText, kind: str, dtype: DType, x: str, y: str) -> str:
    """One step of a reduction."""
    return binary(text, COMBINES[kind], dtype, x, y)


def reduce_tile(text: KernelText, kind: str, dtype: DType, x: str, axis: int) -> str:
    """The reduction of a tile along one of its dimensions, which stays with extent 1."""
    if dtype is DType.BOOL:
        function = "max" if kind in ("max", "sum") else "min"
        return f"(tl.{function}({x}.to(tl.int32), axis={axis}, keep_dims=True) != 0)"
    if kind == "sum":
        return f"tl.sum({x}, axis={axis}, keep_dims=True)"
    step = {"prod": PRODUCT, "max": MAXIMUM, "min": MINIMUM}[kind]
    return f"tl.reduce({x}, {axis}, {text.function(step)}, keep_dims=True)"


def unary(text: KernelText, op: str, dtype: DType, x: str) -> str:
    """op(x)"""
    if dtype.is_float:
        return _float_unary(text, op, dtype, x)
    if op in ("not", "bitnot"):
        kind = register_kind(dtype)
        return f"({x} ^ {typed((1 << 8 * dtype.size_bytes) - 1, kind)})" if kind.startswith("uint") else f"~{x}"
    if op in ("isnan", "isinf"):
        return f"({x} != {x})"
    if op in ("floor", "ceil", "round", "trunc"):
        return x
    if op == "neg":
        return f"({x} * 0 - {x})"  # Triton has no minus sign for unsigned numbers
    if op == "abs":
        return f"tl.where({x} < 0, -{x}, {x})" if dtype.is_signed else x
    if op == "sign":
        positive = f"({x} != 0).to(tl.{register_kind(dtype)})"
        return f"tl.where({x} < 0, {typed(-1, register_kind(dtype))}, {positive})" if dtype.is_signed else positive
    raise _missing(op, dtype)


def _float_unary(text: KernelText, op: str, dtype: DType, x: str) -> str:
    if op == "erf" and dtype.size_bytes == 2:
        return text.call(NEAR_ERF, x)
    if op == "gelu":
        return f"{x} * 0.5 * ({_float_unary(text, 'erf', dtype, f'({x} * {math.sqrt(0.5)!r})')} + 1.0)"
    if op == "gelu_tanh":
        inner = f"({x} + {x} * {x} * {x} * 0.044715) * {math.sqrt(2 / math.pi)!r}"
        return f"{x} * 0.5 * ({_float_unary(text, 'tanh', dtype, inner)} + 1.0)"
    if op in _LIBRARY:
        return f"libdevice.{op}({x})"
    if op in _BUILT_IN:
        return f"tl.{op}({x})"
    if op == "sqrt":
        return f"tl.sqrt({x})" if dtype is DType.F64 else f"tl.sqrt_rn({x})"
    if op == "sign":
        return f"tl.where({x} > 0, 1.0, tl.where({x} < 0, -1.0, {x}))"
    simple = {
        "neg": f"-{x}",
        "reciprocal": f"1.0 / {x}",
        "sigmoid": f"1.0 / (1.0 + tl.exp(-{x}))",
        "round": f"libdevice.rint({x})",
        "round_f16": f"{x}.to(tl.float16).to(tl.float32)",
        "round_bf16": f"{x}.to(tl.bfloat16).to(tl.float32)",
        "round_f8e4m3": f"{x}.to(tl.float8e4nv).to(tl.float32)",
        "isnan": f"({x} != {x})",
        "isinf": f'(tl.abs({x}) == float("inf"))',
    }
    if op in simple:
        return simple[op]
    raise _missing(op, dtype)


def binary(text: KernelText, op: str, dtype: DType, x: str, y: str, exact: bool = False) -> str:
    """x op y; `exact`: a quotient that must be correctly rounded."""
    if op in _COMPARE:
        return f"({x} {_COMPARE[op]} {y})"
    if dtype is DType.BOOL:
        if op not in _BOOL:
            raise _missing(op, dtype)
        return f"({x} {_BOOL[op]} {y})"
    if op in _INFIX:
        return f"({x} {_INFIX[op]} {y})"
    if op in ("max", "min") and text.has_pairs and dtype in (DType.U8, DType.I8):
        return packed_bytes.extreme(text, op, dtype, x, y)
    if op in ("max", "min"):
        function = MAXIMUM if op == "max" else MINIMUM
        return text.call(function, x, y) if dtype.is_float else f"tl.{function.name}({x}, {y})"
    if op == "quotient":
        return text.call(QUOTIENT, x, y)
    if dtype.is_float:
        return _float_binary(op, dtype, x, y, exact)
    raise _missing(op, dtype)


def _float_binary(op: str, dtype: DType, x: str, y: str, exact: bool) -> str:
    quotient = f"({x} / {y})" if dtype is DType.F64 or not exact else f"tl.div_rn({x}, {y})"
    if op == "div":
        return quotient
    if op == "floordiv":
        return f"tl.floor({_float_binary('div', dtype, x, y, True)})"
    if op == "unfused_mul":
        return f"libdevice.mul_rn({x}, {y})"
    if op in ("pow", "fmod"):
        return f"libdevice.{op}({x}, {y})"
    raise _missing(op, dtype)


def constant_power(x: str, exponent: float, dtype: DType) -> str | None:
    """Powers that can be computed as a product or a root, by their exponents."""
    root = f"tl.sqrt({x})" if dtype is DType.F64 else f"tl.sqrt_rn({x})"
    known = {
        1.0: x,
        2.0: f"{x} * {x}",
        3.0: f"{x} * {x} * {x}",
        -1.0: f"1.0 / {x}",
        0.5: f"tl.where({x} == 0, 0.0, {root})",
    }
    return known.get(exponent)


def cast(kind: str, x: str) -> str:
    """Into another register type. Floats are rounded when they are stored, not before."""
    return f"({x} != 0)" if kind == "int1" else f"{x}.to(tl.{kind})"


def _missing(op: str, dtype: DType) -> InternalError:
    return InternalError("E901", f"operator {op} on {dtype.value} has no CUDA code")
