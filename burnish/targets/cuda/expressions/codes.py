"""Codes of 8 bits, and the numbers that they stand for, in few instructions.

u8(i32(round(clamp(v))) + zero)             `packed_bytes` rounds, limits and packs. A clamp of floats stays where
                                            it is needed: a NaN is the lowest code, and 32 bits must hold the sum
u8(clamp(i32(round(v)) + zero, 0, 255))     the same without any clamp of floats (kernels/codes.py)
i32(code) * scale in there                  one instruction: v is known to be small, and so is the scale
f8(round_f8e4m3(min(max(x / c, -448), 448)))      x is clamped, to 448 * c; `quotient` divides, and one conversion
                                                  rounds
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from burnish.dtypes import DType
from burnish.kernels.task import Store
from burnish.ops.language.expr import Expr
from burnish.ops.quantize import FLOAT8_MOST, limits
from burnish.targets.cuda.expressions import packed_bytes
from burnish.targets.cuda.expressions.arithmetic import MAXIMUM, MINIMUM
from burnish.targets.cuda.expressions.as_written import as_written
from burnish.targets.cuda.expressions.emitter import Emitter
from burnish.targets.cuda.expressions.values import Value, let, named

LEAST_SCALE, MOST_SCALE = 2.0**-60, 2.0**60  # for which `quotient` neither overflows nor underflows
BYTES = (DType.U8, DType.I8)


@dataclass(frozen=True)
class Clamped:
    """min(where(value > least, value, least), most); NaN is the lower bound."""

    value: Expr
    least: Expr
    most: Expr


@dataclass(frozen=True)
class Codes:
    """round(value) + zero, or round(quotient(value, scale)) + zero, as kernels/codes.py has it.

    value: clamped, or a float so small that its code is limited instead
    """

    value: Clamped | Expr
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
    if e.op != "cast" or e.dtype not in BYTES:
        return None
    limited = _limited(e)
    total = e.args[0] if limited is None else limited
    if total.op != "add" or total.dtype is not DType.I32:
        return None
    whole, zero = total.args
    if whole.op != "cast" or whole.args[0].op != "round" or whole.args[0].dtype is not DType.F32:
        return None
    rounded = whole.args[0].args[0]
    if limited is not None:
        return Codes(rounded, None, zero, e.dtype)
    scale = rounded.args[1] if rounded.op == "quotient" else None
    clamped = _clamped(rounded if scale is None else rounded.args[0])
    return None if clamped is None else Codes(clamped, scale, zero, e.dtype)


def _limited(e: Expr) -> Expr | None:
    """Of a cast of min(max(total, 0), 255), or the limits of i8, the total."""
    if e.args[0].op != "min" or e.args[0].args[0].op != "max" or e.args[0].dtype is not DType.I32:
        return None
    (total, low), high = e.args[0].args[0].args, e.args[0].args[1]
    return total if (_number(low), _number(high)) == limits(e.dtype) else None


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
    if scale == 1:
        value, scale = value.args[0], None
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
    text, zero = emitter.code.text, emitter.value(codes.zero)
    found = _small(emitter, codes.value) if isinstance(codes.value, Expr) else _inside(emitter, codes, zero)
    if codes.scale is not None:
        scale = _bound(emitter, codes.scale)
        quotient = emitter.code.binary("quotient", DType.F32, found, scale, ())
        found = Value(let(text, quotient.text), "float32", quotient.dims)
    kind = "uint8" if codes.dtype is DType.U8 else "int8"
    moved = "" if zero.number == 0 else named(text, zero).text
    return Value(let(text, packed_bytes.byte_of(text, codes.dtype, found.text, moved)), kind, found.dims | zero.dims)


def _small(emitter: Emitter, value: Expr) -> Value:
    """A float whose code is limited. It is known to be below 2^30, so the scales of the codes in it are, too."""
    text = emitter.code.text
    for node in _always(value):
        if (code := _code_of_product(node)) is None or emitter.find(node) is not None:
            continue
        read, scale = emitter.value(code), emitter.value(node.args[1])
        if read.dims and not scale.dims:
            term = packed_bytes.times(text, named(text, read).text, named(text, scale).text)
            emitter.remember(node, Value(let(text, term), "float32", read.dims))
    return named(text, as_written(text, emitter.value(value)))


def _always(e: Expr) -> Iterator[Expr]:
    """What is computed wherever the expression is."""
    yield e
    if e.op not in ("where", "reduce"):
        for a in e.args:
            yield from _always(a)


def _code_of_product(e: Expr) -> Expr | None:
    """Of f32(code - 0) * scale the code, an u8."""
    if e.op != "unfused_mul" or e.dtype is not DType.F32 or e.args[0].op != "cast":
        return None
    whole = e.args[0].args[0]
    if whole.op == "sub" and _number(whole.args[1]) == 0:
        whole = whole.args[0]
    is_code = whole.op == "cast" and whole.dtype is DType.I32 and whole.args[0].dtype is DType.U8
    return whole.args[0] if is_code else None


def _inside(emitter: Emitter, codes: Codes, zero: Value) -> Value:
    """A float clamped to what codes reach. Above, saturation does it where nothing is added."""
    assert isinstance(codes.value, Clamped)
    text, clamped = emitter.code.text, codes.value
    value = named(text, as_written(text, emitter.value(clamped.value)))
    least, most = (_bound(emitter, e) for e in (clamped.least, clamped.most))
    dims = value.dims | least.dims
    found = f"tl.maximum({value.text}, {least.text})"
    if codes.scale is not None or zero.number != 0:
        found, dims = f"tl.minimum({found}, {most.text})", dims | most.dims
    return Value(let(text, found), "float32", dims)


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
