"""Codes of 8 bits without the instructions that round and convert floats, which run at an eighth of the usual rate.

    u8(i32(round(v)) + zero)        v is clamped to what codes reach, and 1.5 * 2^23 is added: the low bits are round(v)

The sum is rounded to an integer because floats are integers there, ties to even. The way back is `float_of_code`.

    f8(round_f8e4m3(min(max(x / c, -448), 448)))      x is clamped, to 448 * c; `quotient` divides, and one conversion
                                                      rounds
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from burnish.dtypes import DType
from burnish.kernels.task import Store
from burnish.ops.language.expr import Expr
from burnish.ops.quantize import FLOAT8_MOST
from burnish.targets.cuda.expressions.arithmetic import MAXIMUM, MINIMUM
from burnish.targets.cuda.expressions.as_written import as_written
from burnish.targets.cuda.expressions.emitter import Emitter
from burnish.targets.cuda.expressions.values import Value, let, named

LEAST_SCALE, MOST_SCALE = 2.0**-60, 2.0**60  # for which `quotient` neither overflows nor underflows
BYTES = (DType.U8, DType.I8)
ROUNDER = 12582912.0  # 1.5 * 2^23


@dataclass(frozen=True)
class Clamped:
    """min(where(value > least, value, least), most); NaN is the lower bound."""

    value: Expr
    least: Expr
    most: Expr


@dataclass(frozen=True)
class Codes:
    """round(clamped) + zero, or round(quotient(clamped, scale)) + zero, as kernels/codes.py has it."""

    clamped: Clamped
    scale: Expr | None
    zero: Expr
    dtype: DType


def know_codes(emitter: Emitter, stores: Iterable[Store]) -> None:
    """Compute every stored value that is a code, in fewer instructions than its expression has."""
    for store in stores:
        if emitter.find(store.value) is not None:
            continue
        if (found := codes_of(store.value)) is not None:
            emitter.remember(store.value, _code(emitter, found))
        elif (value := float8_of(store.value)) is not None:
            emitter.remember(store.value, _float8(emitter, value))


def codes_of(e: Expr) -> Codes | None:
    """What makes an expression codes of 8 bits, as `ops.quantize.requantize` writes it; None for any other."""
    if e.op != "cast" or e.dtype not in BYTES or e.args[0].op != "add" or e.args[0].dtype is not DType.I32:
        return None
    whole, zero = e.args[0].args
    if whole.op != "cast" or whole.args[0].op != "round" or whole.args[0].dtype is not DType.F32:
        return None
    rounded = whole.args[0].args[0]
    scale = rounded.args[1] if rounded.op == "quotient" else None
    clamped = _clamped(rounded if scale is None else rounded.args[0])
    return None if clamped is None else Codes(clamped, scale, zero, e.dtype)


def float8_of(e: Expr) -> Expr | None:
    """What an expression of float8 rounds and clamps, as `ops.quantize.float8` writes it; None for any other."""
    if e.op != "cast" or e.dtype is not DType.F8E4M3 or e.args[0].op != "round_f8e4m3":
        return None
    inside = e.args[0].args[0]
    is_clamped = inside.op == "min" and inside.args[0].op == "max"
    return inside.args[0].args[0] if is_clamped else None


def _float8(emitter: Emitter, value: Expr) -> Value:
    """The conversion saturates by itself, but a quotient of infinity by products would be a NaN."""
    text = emitter.code.text
    scale = _number(value.args[1]) if value.op == "div" else None
    if scale is None or not LEAST_SCALE < scale < MOST_SCALE:
        given = named(text, as_written(text, emitter.value(value)))
        return Value(let(text, f"{given.text}.to(tl.float8e4nv)"), "float8e4nv", given.dims)
    given = named(text, as_written(text, emitter.value(value.args[0])))
    most = float(np.float32(FLOAT8_MOST) * np.float32(scale))
    clamped = text.call(MINIMUM, text.call(MAXIMUM, given.text, repr(-most)), repr(most))
    divisor = emitter.code.const(scale, DType.F32)
    quotient = emitter.code.binary("quotient", DType.F32, Value(let(text, clamped), "float32", given.dims), divisor, ())
    return Value(let(text, f"{quotient.text}.to(tl.float8e4nv)"), "float8e4nv", given.dims)


def _clamped(e: Expr) -> Clamped | None:
    if e.op != "min" or e.args[0].op != "where":
        return None
    test, value, least = e.args[0].args
    return Clamped(value, least, e.args[1]) if test.op == "gt" and test.args == (value, least) else None


def _code(emitter: Emitter, codes: Codes) -> Value:
    text, clamped = emitter.code.text, codes.clamped
    value = named(text, as_written(text, emitter.value(clamped.value)))
    least, most = (_bound(emitter, e) for e in (clamped.least, clamped.most))
    found = let(text, f"tl.minimum(tl.maximum({value.text}, {least.text}), {most.text})")
    dims = value.dims | least.dims | most.dims
    if codes.scale is not None:
        scale = _bound(emitter, codes.scale)
        quotient = emitter.code.binary("quotient", DType.F32, Value(found, "float32", dims), scale, ())
        found, dims = let(text, quotient.text), quotient.dims
    bits = let(text, f"({found} + {ROUNDER!r}).to(tl.int32, bitcast=True)")
    zero, kind = emitter.value(codes.zero), "uint8" if codes.dtype is DType.U8 else "int8"
    shifted = bits if zero.number == 0 else f"({bits} + {zero.text})"
    return Value(let(text, f"{shifted}.to(tl.{kind})"), kind, dims | zero.dims)


def _bound(emitter: Emitter, e: Expr) -> Value:
    """A number of a code's arithmetic: a literal where it is known."""
    known = _number(e)
    return emitter.value(e) if known is None else emitter.code.const(known, DType.F32)


def _number(e: Expr) -> float | None:
    """A constant; bounds are small integers, sums of which are exact."""
    if e.op == "const":
        return float(e.attr)
    if e.op == "cast":
        return _number(e.args[0])
    if e.op == "sub":
        left, right = map(_number, e.args)
        return None if left is None or right is None else left - right
    return None
