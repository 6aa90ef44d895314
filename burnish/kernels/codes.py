"""What need not be computed on the way to a code: most divisions by a scale, and codes that become numbers at once.

    round(clamp(x / c, low, high))                       round(quotient(clamp(x, low * c, high * c), c))
    i32(u8(i32(round(clamp(x, ..))) + zero)) - zero      i32(round(clamp(x, ..)))
    u8(i32(round(clamp(x, ..))) + zero)                  u8(clamp(i32(round(x)) + zero, 0, 255)), if x is not too large

The last needs no clamp of floats where an instruction makes bytes of integers and limits them. All are exact.

A division takes the time of ten products, and a network with residuals in codes has one for each of their elements.
`quotient` takes three products, where x is finite and small:

    y = 1 / c      q = x * y      r = x - q * c, rounded once      q + r * y, rounded once

Before its last rounding the result is off by at most 2^-46 of itself: q by 2^-23, and what r and y add by 2^-23 of
that. So it rounds as x / c does, unless x / c lies that near to the middle of two floats; and then the code may differ
only if one of these is a tie, n + 1/2. `is_safe` asks for each scale whether a float x exists whose quotient comes so
near. For one in a thousand scales of 8 bits it does; their divisions stay.

Source: the correction by a residual is P. Markstein's, IBM Journal of Research and Development 34 (1), 1990.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from burnish.dtypes import DType
from burnish.kernels.task import Chain, Contraction, Kernel, Loops
from burnish.ops.language.expr import Expr, binary, cast, const, substitute, unary, where
from burnish.ops.quantize import limits

K = TypeVar("K", bound=Kernel)
Integers = np.ndarray[Any, np.dtype[np.int64]]
_DIGITS = 24  # of an f32
_LEAST, _MOST = 2.0**-60, 2.0**60  # scales with which no step leaves the normal numbers if the quotient is 1/4 or more
_MOST_CODES = 1 << 17
_MOST_ROUNDED = 2.0**30  # of floats that become 32 bits without a clamp; a zero point is added
_BOUNDED = frozenset(("add", "sub", "mul", "unfused_mul", "div", "max", "min"))
_NEAR = 1 << 4  # products of 25 and 24 bits are below 2^49: twice the error, in their last place


def simplify_codes(root: Expr, has_quotient: bool, largest: Mapping[int, float] | None = None) -> Expr:
    """The expression without what its codes do not need.

    has_quotient: the target has a fast one; largest: the largest magnitude in the slots of constants
    """
    direct = substitute(root, _without_detour)
    if not has_quotient:
        return direct
    known: dict[Expr, float] = {}
    unclamped = substitute(direct, lambda e: _without_clamp(e, largest or {}, known))
    return substitute(unclamped, _without_division)


def with_values(kernel: K, change: Callable[[Expr, Mapping[int, float]], Expr], largest: Mapping[int, float]) -> K:
    """The kernel with what it stores changed. `change` also gets the largest magnitudes, by the kernel's own slots."""
    if isinstance(kernel, Chain):
        stages = []
        for stage in kernel.stages:
            own = {n: largest[p.slot] for n, p in enumerate(stage.parts) if p.slot in largest}
            stages.append(replace(stage, kernel=with_values(stage.kernel, change, own)))
        return replace(kernel, stages=tuple(stages))
    if not isinstance(kernel, Contraction | Loops):
        return kernel
    return replace(kernel, stores=tuple(replace(s, value=change(s.value, largest)) for s in kernel.stores))


def is_safe(scale: float, low: int, high: int) -> bool:
    """Does `quotient` by the scale, an f32, give the integers from low to high wherever a division does?"""
    if not _LEAST <= scale <= _MOST or not 0 < high - low < _MOST_CODES:
        return False
    ties = np.unique(np.abs(np.arange(2 * low + 1, 2 * high, 2, np.int64)))  # in halves
    floats = ties << _DIGITS + 1 - _bits(ties)  # of which the last bit is half a unit in a float's last place
    below = np.where(ties == 1, 2 * floats, floats) - 1  # below a power of two, floats lie twice as close
    middles = np.concatenate([floats + 1, below])
    products = middles * int(math.ldexp(math.frexp(scale)[0], _DIGITS))
    spacing = np.int64(1) << _bits(products) - _DIGITS  # of the floats there
    beyond = products % spacing
    return bool((np.minimum(beyond, spacing - beyond) >= _NEAR).all())


def _bits(numbers: Integers) -> Integers:
    """The digits of positive integers below 2^53."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64)


def _without_division(e: Expr) -> Expr | None:
    """A clamped quotient by a known scale, rounded."""
    inside, low, high = _clamped(e) or (None, None, None)
    if inside is None or low is None or high is None or inside.op != "div" or inside.dtype is not DType.F32:
        return None
    x, scale = inside.args
    if not _has_quotient(inside, low, high):
        return None
    least, most = (const(end * scale.attr, DType.F32) for end in (low, high))
    numerator = binary("min", where(binary("gt", x, least), x, least), most)
    return unary("round", binary("quotient", numerator, scale))


def _has_quotient(division: Expr, low: int, high: int) -> bool:
    """Is the divisor a number for which `quotient` gives these integers? Powers of two need none."""
    scale = division.args[1]
    return scale.op == "const" and math.frexp(scale.attr)[0] != 0.5 and is_safe(scale.attr, low, high)


def _without_clamp(e: Expr, largest: Mapping[int, float], known: dict[Expr, float]) -> Expr | None:
    """A code whose integer is limited instead of its float, if all floats that come are integers of 32 bits, too."""
    if e.op != "cast" or (found := _code(e)) is None:
        return None
    x, low, high, zero = found
    if magnitude(x, largest, known) >= _MOST_ROUNDED:
        return None
    if x.op == "div" and x.args[1].op == "const" and math.frexp(x.args[1].attr)[0] != 0.5:
        if not _has_quotient(x, low, high):
            return None
        x = binary("quotient", *x.args)
    least, most = limits(e.dtype)
    wide = cast(unary("round", x), DType.I32) + zero
    return cast(binary("min", binary("max", wide, least), most), e.dtype)


def magnitude(root: Expr, largest: Mapping[int, float], known: dict[Expr, float]) -> float:
    """An upper bound of |root|, a float that is never NaN then; infinity if there is none. known: what was found."""
    if root in known:
        return known[root]
    sides = [magnitude(a, largest, known) for a in root.args] if root.op in _BOUNDED else []
    bound = math.inf
    if root.op == "const":
        bound = abs(float(root.attr))
    elif root.op == "load" and isinstance(root.attr, int) and root.dtype.is_float:
        bound = largest.get(root.attr, math.inf)
    elif root.op == "cast" and root.dtype is DType.F32 and root.args[0].dtype.is_integer:
        bound = _integer(root.args[0])
    elif root.op in ("add", "sub"):
        bound = sides[0] + sides[1]
    elif root.op in ("mul", "unfused_mul"):
        bound = sides[0] * sides[1] if 0 not in sides else 0.0
    elif root.op == "div" and root.args[1].op == "const" and root.args[1].attr:
        bound = sides[0] / sides[1]
    elif root.op in ("max", "min"):
        bound = max(sides)
    known[root] = bound if bound < math.inf else math.inf
    return known[root]


def _integer(e: Expr) -> float:
    """An upper bound of an integer's magnitude."""
    if e.op == "const":
        return abs(float(e.attr))
    if e.op in ("add", "sub") and all(_integer(a) < 1 << 24 for a in e.args):
        return sum(map(_integer, e.args))
    if e.op == "cast" and e.args[0].dtype.is_integer and e.args[0].dtype.size_bytes < e.dtype.size_bytes:
        return _integer(e.args[0])
    if e.op == "cast" and (found := _clamped(e.args[0])) is not None:
        return max(abs(found[1]), abs(found[2]))
    return 2.0 ** (8 * e.dtype.size_bytes - e.dtype.is_signed)


def _without_detour(e: Expr) -> Expr | None:
    """An integer that is a code, and one again; or to which a zero point is added, and taken away again."""
    if e.op == "sub" and e.dtype is DType.I32 and e.args[0].op == "add" and e.args[0].args[1] is e.args[1]:
        return e.args[0].args[0]
    if e.op != "cast" or e.dtype is not DType.I32 or e.args[0].op != "cast" or _code(e.args[0]) is None:
        return None
    return e.args[0].args[0]


def _code(e: Expr) -> tuple[Expr, int, int, Expr] | None:
    """Of a cast i32(round(clamp(x))) + zero to an integer that holds it: x, the ends of the clamp, the zero point."""
    wide = e.args[0]
    if wide.dtype is not DType.I32 or not e.dtype.is_integer or e.dtype.size_bytes > 2 or wide.op != "add":
        return None
    rounded, zero = wide.args[0], _number(wide.args[1])
    if rounded.op != "cast" or zero is None or (found := _clamped(rounded.args[0])) is None:
        return None
    low, high = limits(e.dtype)
    return (*found, wide.args[1]) if found[1:] == (low - zero, high - zero) else None


def _clamped(e: Expr) -> tuple[Expr, int, int] | None:
    """Of round(min(where(x > low, x, low), high)) x and the ends, if they are known."""
    if e.op != "round" or e.args[0].op != "min":
        return None
    lower, high = e.args[0].args
    if lower.op != "where" or lower.args[0].op != "gt":
        return None
    test, x, low = lower.args
    ends = _number(low), _number(high)
    if test.args != (x, low) or ends[0] is None or ends[1] is None:
        return None
    return x, ends[0], ends[1]


def _number(e: Expr) -> int | None:
    """The integer that an expression without loads stands for, as `ops.quantize.requantize` writes its bounds."""
    if e.op == "const":
        return int(e.attr) if float(e.attr).is_integer() else None
    if e.op == "cast":
        return _number(e.args[0])
    if e.op == "sub":
        left, right = map(_number, e.args)
        return None if left is None or right is None else left - right
    return None
