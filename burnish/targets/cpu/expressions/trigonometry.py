"""sin, cos, tan, their inverses and the hyperbolic functions on `Real`s.

    function                    f32    f64    largest error seen, in ulp (held by tests)
    sin, cos                    1      2      f64: while |x| < 1e9 (x86-64-v2: 1e6); beyond that it loses digits
    tan                         1      4      likewise
    asin, acos, atan            1      3
    sinh, cosh                  1      4
    asinh, acosh, atanh         1      3

f32 goes through f64: these functions are rare, and exactness is then free. Any f32 argument is reduced exactly.
source: coefficients after fdlibm (k_sin, k_cos, s_atan); reduction of large arguments after Payne and Hanek
"""

from __future__ import annotations

import math
from collections.abc import Callable

from llvmlite import ir

from burnish.targets.cpu.expressions import exponential
from burnish.targets.cpu.expressions.real import Real

_SIN = (
    1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04,
    8.33333333332248946124e-03, -1.66666666666666324348e-01,
)  # fmt: skip
_COS = (
    -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07, 2.48015872894767294178e-05,
    -1.38888888888741095749e-03, 4.16666666666666019037e-02,
)  # fmt: skip
_ATAN = (
    1.62858201153657823623e-02, -3.65315727442169155270e-02, 4.97687799461593236017e-02, -5.83357013379057348645e-02,
    6.66107313738753120669e-02, -7.69187620504482999495e-02, 9.09088713343650656196e-02, -1.11111104054623557880e-01,
    1.42857142725034663711e-01, -1.99999999998764832476e-01, 3.33333333333329318027e-01,
)  # fmt: skip
_HALF_PI = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624871116645580e-21)
_TWO_OVER_PI = (  # in parts of 24 bits: their products with an f32 are exact in f64
    "0x1.45f3060000000p-1", "0x1.b939100000000p-26", "0x1.529fc00000000p-52", "0x1.3abe880000000p-75",
    "0x1.ea69ba0000000p-97", "0x1.81b6c40000000p-121", "0x1.2b32780000000p-145", "0x1.0e41040000000p-170",
)  # fmt: skip
_MAGIC = 1.5 * 2.0**52
_LARGE = 1e6  # from here on f32 arguments take the exact reduction


def _reduce(x: Real) -> tuple[ir.Value, Real]:
    """n and r with x = n * pi/2 + r, |r| <= pi/4 (f64)."""
    shifted = x.times_plus(2.0 / math.pi, _MAGIC)
    n = shifted - _MAGIC
    r = x
    for part in _HALF_PI:
        r = n.times_plus(-part, r)
    return shifted.bits(), r


def _reduce_large(x: Real) -> tuple[ir.Value, Real]:
    """The same for an f32 of any size, held in f64: x * 2/pi modulo 4, part by part, keeping the sum's error."""
    total = error = x * 0.0
    for text in _TWO_OVER_PI:
        product = x * float.fromhex(text)
        piece = (product * 0.25).intrinsic("trunc").times_plus(-4.0, product)
        following = total + piece
        shadow = following - total
        error = error + ((total - (following - shadow)) + (piece - shadow))
        total = following
    shifted = total + _MAGIC
    fraction = (total - (shifted - _MAGIC)) + error
    return shifted.bits(), fraction * (math.pi / 2)


def _quadrant(x: Real, is_single: bool) -> tuple[ir.Value, Real]:
    """The reduction. Lanes with large f32 arguments take the slow way; it is skipped if there are none."""
    n, r = _reduce(x)
    if not is_single:
        return n, r
    b = x.b
    is_large = abs(x) > _LARGE
    some = is_large
    if x.lanes > 1:
        some = b.call(f"llvm.vector.reduce.or.v{x.lanes}i1", ir.IntType(1), [is_large])
    before = b.ir.block
    with b.when(some):
        large_n, large_r = _reduce_large(x)
        large_n, large_value = b.ir.select(is_large, large_n, n), x.pick(is_large, large_r, r).value
        inside = b.ir.block
    chosen_n, chosen_r = b.ir.phi(n.type), b.ir.phi(r.value.type)
    for phi, usual, large in ((chosen_n, n, large_n), (chosen_r, r.value, large_value)):
        phi.add_incoming(usual, before)
        phi.add_incoming(large, inside)
    return chosen_n, Real(b, chosen_r)


def _sin_cos(x: Real) -> tuple[Real, Real]:
    """sin x and cos x in f64, for any x."""
    b, wide = x.b, x.as_double()
    n, r = _quadrant(wide, not x.is_double)
    square = r * r
    sine = square.polynomial(_SIN).times_plus(square * r, r)
    cosine = 1.0 - (square * 0.5 - square * square * square.polynomial(_COS))
    one = wide.integer(1)
    swap = b.ir.icmp_signed("!=", b.ir.and_(n, one), wide.integer(0))
    sine, cosine = wide.pick(swap, cosine, sine), wide.pick(swap, sine, cosine)
    sine_sign = b.ir.shl(b.ir.and_(n, wide.integer(2)), wide.integer(62))
    cosine_sign = b.ir.shl(b.ir.and_(b.ir.add(n, one), wide.integer(2)), wide.integer(62))
    return (
        wide.from_bits(b.ir.xor(sine.bits(), sine_sign)),
        wide.from_bits(b.ir.xor(cosine.bits(), cosine_sign)),
    )


def sin(x: Real) -> Real:
    result = _like(x, _sin_cos(x)[0])
    return x.pick(x == 0.0, x, result)


def cos(x: Real) -> Real:
    return _like(x, _sin_cos(x)[1])


def tan(x: Real) -> Real:
    sine, cosine = _sin_cos(x)
    return x.pick(x == 0.0, x, _like(x, sine / cosine))


def _atan(x: Real) -> Real:
    """In f64: 1/x beyond 1, then (t - 1)/(t + 1) beyond tan(pi/8)."""
    t = abs(x)
    beyond_one = t > 1.0
    t = x.pick(beyond_one, 1.0 / t, t)
    upper = t > 0.4142135623730950488
    t = x.pick(upper, (t - 1.0) / (t + 1.0), t)
    square = t * t
    angle = t - t * (square * square.polynomial(_ATAN))
    angle = x.pick(upper, angle + 3.061616997868382943e-17 + 0.78539816339744830962, angle)
    angle = x.pick(beyond_one, (1.57079632679489661923 - angle) + 6.123233995736765886e-17, angle)
    return angle.with_sign_of(x)


def atan(x: Real) -> Real:
    return _like(x, _atan(x.as_double()))


def asin(x: Real) -> Real:
    """atan(x / sqrt(1 - x**2)); NaN outside [-1, 1]"""
    wide = x.as_double()
    return _like(x, _atan(wide / ((1.0 - wide) * (1.0 + wide)).intrinsic("sqrt")))


def acos(x: Real) -> Real:
    """2 atan(sqrt((1 - x) / (1 + x))); NaN outside [-1, 1]"""
    wide = x.as_double()
    return _like(x, 2.0 * _atan(((1.0 - wide) / (1.0 + wide)).intrinsic("sqrt")))


def sinh(x: Real) -> Real:
    wide = x.as_double()
    a = abs(wide)
    m = exponential.expm1(a.at_most(40.0))
    half = exponential.exp(a * 0.5)
    result = wide.pick(a > 30.0, (half * 0.5) * half, (m + m / (m + 1.0)) * 0.5)
    return _like(x, result.with_sign_of(wide))


def cosh(x: Real) -> Real:
    half = exponential.exp(abs(x.as_double()) * 0.5)
    return _like(x, (half * 0.5) * half + 0.5 / (half * half))


def asinh(x: Real) -> Real:
    wide = x.as_double()
    a = abs(wide)
    square = a * a
    near = exponential.log1p(a + square / (1.0 + (square + 1.0).intrinsic("sqrt")))
    far = exponential.log(a) + math.log(2.0)
    return _like(x, wide.pick(a > 2.0**28, far, near).with_sign_of(wide))


def acosh(x: Real) -> Real:
    """NaN below 1"""
    wide = x.as_double()
    t = wide - 1.0
    near = exponential.log1p(t + (2.0 * t + t * t).intrinsic("sqrt"))
    result = wide.pick(wide > 2.0**28, exponential.log(wide) + math.log(2.0), near)
    return _like(x, wide.pick(wide < 1.0, math.nan, result))


def atanh(x: Real) -> Real:
    """NaN outside [-1, 1], infinite at its ends"""
    wide = x.as_double()
    a = abs(wide)
    return _like(x, (0.5 * exponential.log1p((a + a) / (1.0 - a))).with_sign_of(wide))


def _like(x: Real, result: Real) -> Real:
    return result if x.is_double else result.as_single()


FUNCTIONS: dict[str, Callable[[Real], Real]] = {
    "sin": sin, "cos": cos, "tan": tan, "asin": asin, "acos": acos, "atan": atan,
    "sinh": sinh, "cosh": cosh, "asinh": asinh, "acosh": acosh, "atanh": atanh,
}  # fmt: skip
