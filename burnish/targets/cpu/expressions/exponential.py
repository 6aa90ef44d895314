"""exp, log, tanh, erf, sigmoid, pow and their kin on `Real`s: no branch, no table, no library.

    function         f32    f64    largest error, in ulp (tests/targets/cpu/test_exponential.py)
    exp, log         1      1      also where an argument or a result is subnormal
    expm1, log1p     2      2
    erf              2      2
    tanh, sigmoid    3      3
    gelu             3 from x = -1 on, 1e-5 of the value from -5.5 on, 1 of x everywhere (f64: 1 of x)
    pow              1      2 + |y ln x| / 2

Infinities, NaN and zeros are as in C.
source: reductions and coefficients after Cephes and fdlibm; erf (f32) after N. Juffa
"""

from __future__ import annotations

import math
from collections.abc import Callable

from llvmlite import ir

from burnish.targets.cpu.expressions.avx512 import fraction, times_power_of_two
from burnish.targets.cpu.expressions.real import Real

_LOG2_E = 1.4426950408889634
_EXP_SINGLE = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
_EXP_DOUBLE = tuple(1.0 / math.factorial(k) for k in range(13, 1, -1))
_LOG_SINGLE = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_LOG_DOUBLE = (
    1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
    2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01,
)  # fmt: skip
_ERF_SMALL = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
_ERF_LARGE = (
    -1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
)  # fmt: skip

_EXP2_SINGLE = (0.000216129149, 0.0012467847, 0.00967545155, 0.0554852821, 0.240229309, 0.693147063, 1.0)  # on [0, 1)
_LOG2_TAIL = (  # log2 of Phi(-t) on [0, 5.5]; falls faster beyond
    -2.69831464e-08, 7.92410844e-07, -1.00586021e-05, 7.00597811e-05, -0.000253992883, -6.04804191e-05, 0.00702933362,
    -0.0525027066, -0.459198654, -1.15110719, -0.99999994,
)  # fmt: skip
_TAIL_END = 12.0  # 2**-196

_ERF_NEAR = (
    5.957176147748911e-11, -1.1372848856791674e-09, 1.4659775274047436e-08, -1.6350312701054695e-07,
    1.6461000484121368e-06, -1.4925595266831182e-05, 0.0001205533111164271, -0.000854832698083379,
    0.0052239776248180145, -0.026866170645076792, 0.11283791670954879, -0.3761263890318375, 0.1283791670955126,
)  # fmt: skip
_ERF_FAR = (
    -1.0493756937461205e-06, 1.1470313143336516e-06, 4.038571289590004e-06, 1.3453706437753437e-06,
    -1.401637477201188e-05, -2.7566235779257646e-05, 2.753029880298948e-05, 0.00017435955396477449,
    4.3555337947945756e-05, -0.0009819769303504695, -0.0008471432430235564, 0.006997461736314815,
    0.0037328924042083376, -0.07897858101569433, 0.2416581942424672, -0.42718584741395854, 0.25539567631050575,
)  # fmt: skip


def _has_scaling(x: Real) -> bool:
    """Is a product with a power of two one instruction?"""
    return not x.is_double and x.b.at_least("x86-64-v4")


def _reduce_exponent(x: Real) -> tuple[Real, ir.Value, Real]:
    """n, n as an integer, and q with e**x = 2**n * (1 + q), |q| < 0.42; x must be in range."""
    magic = 1.5 * 2.0**52 if x.is_double else 1.5 * 2.0**23
    shifted = x.times_plus(_LOG2_E, magic)
    n = shifted - magic
    exponent = x.b.ir.sub(shifted.bits(), x.of(magic).bits())
    if x.is_double:
        r = n.times_plus(-1.90821492927058770002e-10, n.times_plus(-6.93147180369123816490e-01, x))
        tail = r.polynomial(_EXP_DOUBLE)
    else:
        r = n.times_plus(2.12194440e-4, n.times_plus(-0.693359375, x))
        tail = r.polynomial(_EXP_SINGLE)
    return n, exponent, tail.times_plus(r * r, r)


def exp(x: Real) -> Real:
    """e**x"""
    low, high = (-746.0, 710.0) if x.is_double else (-105.0, 89.0)
    n, exponent, q = _reduce_exponent(x.at_most(high).at_least(low))
    if _has_scaling(x):
        return times_power_of_two(q + 1.0, n)
    half = x.b.ir.ashr(exponent, x.integer(1))
    rest = x.b.ir.sub(exponent, half)
    return (q + 1.0) * x.power_of_two(half) * x.power_of_two(rest)


def _expm1_bounded(x: Real) -> Real:
    """e**x - 1 for -40 < x < 60"""
    _, exponent, q = _reduce_exponent(x)
    scale = x.power_of_two(exponent)
    return q.times_plus(scale, scale - 1.0)


def _exp2_of_negative(y: Real) -> Real:
    """2**y of f32, y <= 0; 0 where that is subnormal"""
    if _has_scaling(y):
        return times_power_of_two(fraction(y).polynomial(_EXP2_SINGLE), y)
    magic, whole = 1.5 * 2.0**23, y.intrinsic("floor")
    exponent = y.b.ir.sub((whole + magic).bits(), y.of(magic).bits())
    power = (y - whole).polynomial(_EXP2_SINGLE) * y.power_of_two(exponent)
    return y.pick(y < -126.0, 0.0, power)


def expm1(x: Real) -> Real:
    """e**x - 1"""
    small = _expm1_bounded(x.at_most(40.0).at_least(-40.0))
    return x.pick(x > 40.0, exp(x), small).with_sign_of(x)


def log(x: Real) -> Real:
    """ln x; NaN below 0, -inf at 0"""
    bits, scale, smallest = (52, 2.0**54, 2.0**-1022) if x.is_double else (23, 2.0**25, 2.0**-126)
    b = x.b
    is_subnormal = x < smallest
    scaled = x.pick(is_subnormal, x * scale, x)
    # m in [sqrt(1/2), sqrt(2)): subtract the bits of sqrt(1/2), what remains above the fraction is the exponent
    above = b.ir.sub(scaled.bits(), x.of(0.70710678118654752).bits())
    exponent = b.ir.ashr(above, x.integer(bits))
    m = x.from_bits(b.ir.sub(scaled.bits(), b.ir.shl(exponent, x.integer(bits))))
    k = Real(b, b.ir.sitofp(exponent, x.value.type))
    k = x.pick(is_subnormal, k - math.log2(scale), k)
    result = _log_of_fraction(m - 1.0, k)
    result = x.pick(x == math.inf, math.inf, result)
    result = x.pick(x == 0.0, -math.inf, result)
    not_a_number = b.ir.fcmp_unordered("ult", x.value, x.of(0.0).value)
    return x.pick(not_a_number, math.nan, result)


def _log_of_fraction(f: Real, k: Real) -> Real:
    """ln(1 + f) + k ln 2, 1 + f in [sqrt(1/2), sqrt(2)]"""
    square = f * f
    if f.is_double:
        s = f / (f + 2.0)
        z = s * s
        tail = z.polynomial((*_LOG_DOUBLE, 0.0))
        half = square * 0.5
        low = s.times_plus(half + tail, k * 1.90821492927058770002e-10)
        return k.times_plus(6.93147180369123816490e-01, f - (half - low))
    tail = f.polynomial(_LOG_SINGLE) * f * square
    tail = k.times_plus(-2.12194440e-4, tail)
    tail = square.times_plus(-0.5, tail)
    return k.times_plus(0.693359375, f + tail)


def log1p(x: Real) -> Real:
    """ln(1 + x), accurate near 0"""
    u = x + 1.0
    correction = (x - (u - 1.0)) / u
    result = log(u) + correction
    is_special = x.b.ir.or_(u == 0.0, u == math.inf)
    return x.pick(is_special, log(u), result).with_sign_of(x)


def tanh(x: Real) -> Real:
    """tanh x = m / (m + 2), m = e**2x - 1"""
    a = abs(x).at_most(20.0 if x.is_double else 9.5)
    m = _expm1_bounded(a + a)
    return (m / (m + 2.0)).with_sign_of(x)


def sigmoid(x: Real) -> Real:
    """1 / (1 + e**-x), without overflow"""
    e = exp(-abs(x))
    return x.pick(x < 0.0, e, 1.0) / (e + 1.0)


def erf(x: Real) -> Real:
    """2/sqrt(pi) * integral of e**-t**2 from 0 to x"""
    if x.is_double:
        return _erf_double(x)
    t, square = abs(x).at_most(4.2), x * x
    near = square.polynomial(_ERF_SMALL).times_plus(x, x)
    inner = t.polynomial(_ERF_LARGE)
    far = (1.0 - exp(inner.times_plus(t, -t))).with_sign_of(x)
    return x.pick(t > 0.927734375, far, near)


def gelu(x: Real) -> Real:
    """x * Phi(x) = max(x, 0) - t * Phi(-t), t = |x|, Phi(-t) = 2**P(t)"""
    if x.is_double:
        return x * 0.5 * (erf(x * math.sqrt(0.5)) + 1.0)
    t = abs(x).at_most(_TAIL_END)
    return t.times_plus(-_exp2_of_negative(t.polynomial(_LOG2_TAIL)), x.at_least(0.0))


def gelu_tanh(x: Real) -> Real:
    """x * (1 + tanh u) / 2, u = sqrt(2 / pi) * (x + 0.044715 x**3)"""
    return x * 0.5 * (tanh((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)) + 1.0)


def power(x: Real, y: Real) -> Real:
    """x**y with C's special cases; f32 is computed in f64"""
    known = _constant_power(x, y)
    if known is not None:
        return known
    if not x.is_double:
        return power(x.as_double(), y.as_double()).as_single()
    b = x.b
    magnitude = exp(y * log(abs(x)))
    is_integer = y.intrinsic("trunc") == y
    is_odd = b.ir.and_(is_integer, (y * 0.5).intrinsic("trunc") != y * 0.5)
    is_odd = b.ir.and_(is_odd, abs(y) < math.inf)
    negative = b.ir.icmp_signed("<", x.bits(), x.integer(0))
    result = x.pick(b.ir.and_(negative, is_odd), -magnitude, magnitude)
    undefined = b.ir.and_(b.ir.and_(x < 0.0, x > -math.inf), b.ir.not_(is_integer))
    result = x.pick(undefined, math.nan, result)
    result = x.pick(b.ir.and_(x == -1.0, abs(y) == math.inf), 1.0, result)
    return x.pick(b.ir.or_(x == 1.0, y == 0.0), 1.0, result)


def _constant_power(x: Real, y: Real) -> Real | None:
    """Powers that can be computed as a product or a root, by their exponents."""
    if not isinstance(y.value, ir.Constant):
        return None
    exponent = y.value.constant
    if isinstance(exponent, list | tuple):
        exponent = exponent[0]
        exponent = getattr(exponent, "constant", exponent)
    if exponent == 2.0:
        return x * x
    if exponent == 3.0:
        return x * x * x
    if exponent == 1.0:
        return x
    if exponent == -1.0:
        return 1.0 / x
    if exponent == 0.5:
        root = x.intrinsic("sqrt")
        return x.pick(x == -math.inf, math.inf, x.pick(x == 0.0, 0.0, root))
    return None


def remainder(x: Real, y: Real) -> Real:
    """fmod: x - trunc(x / y) * y, with x's sign; exact while |x / y| < 2**52; f64 needs FMA for that"""
    if not x.is_double:
        return remainder(x.as_double(), y.as_double()).as_single()
    quotient = (x / y).intrinsic("trunc")
    rest = (-quotient).times_plus(y, x)
    size = abs(y)
    rest = x.pick(rest * x < 0.0, rest + size.with_sign_of(x), rest)
    rest = x.pick(abs(rest) >= size, rest - size.with_sign_of(x), rest)
    rest = x.pick(x.b.ir.and_(size == math.inf, abs(x) < math.inf), x, rest)
    return rest.with_sign_of(x)


def _erf_double(x: Real) -> Real:
    """x * P(x**2) up to 1; 1 - e**-x**2 * Q((x - 2) / (x + 2)) beyond."""
    t, square = abs(x).at_most(6.0), x * x
    near = square.polynomial(_ERF_NEAR).times_plus(x, x)
    u = (t - 2.0) / (t + 2.0)
    far = (1.0 - exp(-(t * t)) * u.polynomial(_ERF_FAR)).with_sign_of(x)
    return x.pick(t > 1.0, far, near)


FUNCTIONS: dict[str, Callable[[Real], Real]] = {
    "exp": exp, "expm1": expm1, "log": log, "log1p": log1p, "tanh": tanh, "sigmoid": sigmoid, "erf": erf,
    "gelu": gelu, "gelu_tanh": gelu_tanh,
}  # fmt: skip
