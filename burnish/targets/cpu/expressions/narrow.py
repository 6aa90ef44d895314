"""exp, tanh, erf, sigmoid and GELU whose result is stored as bf16: short polynomials, for levels with AVX-512.

bf16 keeps 8 bits, so an error of 2**-11 of the value moves a rounded result by an eighth of an ulp at most.

    function         largest error, of the value (tests/targets/cpu/expressions/test_narrow.py)        instructions
    exp              1e-4                                                                              6
    sigmoid          5e-4                                                                              13
    erf              2.5e-4                                                                            10
    tanh             4e-4                                                                              14
    gelu             4.5e-4 from x = -5 on, 3.5e-3 down to -13.2, where the value itself vanishes      15
    gelu_tanh        5e-4                                                                              16

GELU is x * Phi(x) = max(x, 0) - t * Phi(-t), t = |x|, with Phi(-t) = 2**P(t): its tail is as exact as its middle. For
erf and tanh that is x * P(x**2) up to where they are 1. Infinities, NaN and zeros are as in C.
source: polynomials by Remez exchange for the relative error, rounded to f32
"""

from __future__ import annotations

import math
from collections.abc import Callable

from burnish.targets.cpu.expressions.avx512 import fraction, magnitude_up_to, times_power_of_two
from burnish.targets.cpu.expressions.real import Real

_LOG2_E = 1.4426950408889634
_EXP2 = (0.07706704, 0.227644995, 0.695116758, 1.0)  # on [0, 1), exact at 0
_INVERSE = (0.160438761, -0.551473916, 0.880015612, -0.988803089, 1.0)  # 1 / (1 + e) on [0, 1], exact at 0
_LOG2_TAIL = (  # log2 of Phi(-t) on [0, 13.3]
    -4.24775521e-07, 2.22954422e-05, -0.000492157473, 0.00604619831, -0.0467805415, -0.468517393, -1.14594233,
    -1.00045729,
)  # fmt: skip
_TAIL_END = 13.3  # t * Phi(-t) is subnormal there
_ERF = (6.62790671e-06, -0.000208085999, 0.00279437331, -0.0214192402, 0.106460035, -0.373112798, 1.12812519)
_ERF_END = 2.75
_TANH = (  # of x**2 - 8.4, because powers of x**2 itself would cancel
    8.61499691e-11, -8.23117408e-10, -7.78101494e-09, 6.4538547e-08, 4.79726168e-07, -3.97706117e-06, 6.79810864e-06,
    -0.000106765438, 0.00167182309, -0.0198239293, 0.342808276,
)  # fmt: skip
_TANH_MIDDLE = 8.405
_TANH_END = 4.1


def exp(x: Real) -> Real:
    """e**x"""
    return _exp2(x * _LOG2_E)


def sigmoid(x: Real) -> Real:
    """1 / (1 + e**-x)"""
    return _sigmoid_exp2(x, abs(x) * -_LOG2_E)


def gelu(x: Real) -> Real:
    """x * Phi(x)"""
    t = magnitude_up_to(x, _TAIL_END)
    return t.times_plus(-_exp2(t.polynomial(_LOG2_TAIL)), x.at_least(0.0))


def gelu_tanh(x: Real) -> Real:
    """x * (1 + tanh u) / 2 = x * sigmoid(2 u), u = sqrt(2 / pi) * (x + 0.044715 x**3)"""
    scale = -2.0 * _LOG2_E * math.sqrt(2.0 / math.pi)
    inner = (x * x).times_plus(0.044715 * scale, scale)
    return x * _sigmoid_exp2(x, abs(x) * inner)


def erf(x: Real) -> Real:
    """2/sqrt(pi) * integral of e**-t**2 from 0 to x"""
    x = x.at_most(_ERF_END).at_least(-_ERF_END)
    return x * (x * x).polynomial(_ERF)


def tanh(x: Real) -> Real:
    x = x.at_most(_TANH_END).at_least(-_TANH_END)
    return x * x.times_plus(x, -_TANH_MIDDLE).polynomial(_TANH)


def _exp2(y: Real) -> Real:
    """2**y; 0 and infinity beyond what f32 holds"""
    return times_power_of_two(fraction(y).polynomial(_EXP2), y)


def _sigmoid_exp2(x: Real, y: Real) -> Real:
    """The sigmoid of a number with the sign of x, if y is minus its magnitude in powers of two."""
    e = _exp2(y)
    inverse = e.polynomial(_INVERSE)
    return x.pick(x < 0.0, e * inverse, inverse)


FUNCTIONS: dict[str, Callable[[Real], Real]] = {
    "exp": exp, "sigmoid": sigmoid, "gelu": gelu, "gelu_tanh": gelu_tanh, "erf": erf, "tanh": tanh
}  # fmt: skip
