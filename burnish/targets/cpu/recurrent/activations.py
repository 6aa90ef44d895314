"""The activation functions of ONNX's recurrent operators, by name, with their alpha and beta."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from burnish.targets.cpu.expressions import exponential
from burnish.targets.cpu.expressions.real import Real


@dataclass(frozen=True)
class Activation:
    """One of ONNX's functions with its two parameters."""

    name: str
    alpha: float
    beta: float

    def apply(self, x: Real) -> Real:
        return _FUNCTIONS[self.name](x, self.alpha, self.beta)


def activations(names: Sequence[str], alphas: Sequence[float], betas: Sequence[float]) -> list[Activation]:
    """The functions in order. Alphas and betas go to the functions that take one; missing ones get defaults."""
    left_alpha, left_beta = list(alphas), list(betas)
    found = []
    for text in names:
        name = text.lower()
        alpha, beta = _DEFAULTS.get(name, (None, None))
        if alpha is not None and left_alpha:
            alpha = left_alpha.pop(0)
        if beta is not None and left_beta:
            beta = left_beta.pop(0)
        found.append(Activation(name, float(alpha or 0.0), float(beta or 0.0)))
    return found


def is_known(name: str) -> bool:
    """Can the template apply this function?"""
    return name.lower() in _FUNCTIONS


_DEFAULTS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0), "leakyrelu": (0.01, None), "thresholdedrelu": (1.0, None), "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5), "elu": (1.0, None),
}  # fmt: skip


def _softplus(x: Real) -> Real:
    """ln(1 + e**x) without overflow"""
    return x.pick(x > 0.0, x, 0.0) + exponential.log1p(exponential.exp(-abs(x)))


_FUNCTIONS: dict[str, Callable[[Real, float, float], Real]] = {
    "sigmoid": lambda x, a, b: exponential.sigmoid(x),
    "tanh": lambda x, a, b: exponential.tanh(x),
    "relu": lambda x, a, b: x.at_least(0.0),
    "affine": lambda x, a, b: x.times_plus(a, b),
    "leakyrelu": lambda x, a, b: x.pick(x < 0.0, x * a, x),
    "thresholdedrelu": lambda x, a, b: x.pick(x > a, x, 0.0),
    "scaledtanh": lambda x, a, b: exponential.tanh(x * b) * a,
    "hardsigmoid": lambda x, a, b: x.times_plus(a, b).at_most(1.0).at_least(0.0),
    "elu": lambda x, a, b: x.pick(x < 0.0, exponential.expm1(x.at_most(0.0)) * a, x),
    "softsign": lambda x, a, b: x / (abs(x) + 1.0),
    "softplus": lambda x, a, b: _softplus(x),
}
