"""Activation functions: one expression each, of x and the node's attributes.    NaN in gives NaN out."""

from __future__ import annotations

from collections.abc import Callable

from burnish.dtypes import DType
from burnish.ops.language.definition import Compute, NodeView
from burnish.ops.language.expr import Expr, binary, const, unary, where
from burnish.ops.pointwise import elementwise, present
from burnish.ops.registry import operator

Activation = Callable[[NodeView, Expr], Expr]


def activation(op_type: str) -> Callable[[Activation], Activation]:
    """Register a function of one element."""

    def enter(function: Activation) -> Activation:
        @operator(op_type)
        def define(node: NodeView) -> Compute:
            x = node.tensor(0)
            return elementwise(lambda v: function(node, v), x.dtype, x)

        return function

    return enter


@activation("Relu")
def relu(node: NodeView, x: Expr) -> Expr:
    return binary("max", x, 0)


@activation("LeakyRelu")
def leaky_relu(node: NodeView, x: Expr) -> Expr:
    return where(binary("lt", x, 0), x * node.attr("alpha", 0.01), x)


@activation("ThresholdedRelu")
def thresholded_relu(node: NodeView, x: Expr) -> Expr:
    return where(binary("le", x, node.attr("alpha", 1.0)), 0, x)


@activation("Elu")
def elu(node: NodeView, x: Expr) -> Expr:
    return where(binary("lt", x, 0), unary("expm1", x) * node.attr("alpha", 1.0), x)


@activation("Selu")
def selu(node: NodeView, x: Expr) -> Expr:
    alpha: float = node.attr("alpha", 1.67326319217681884765625)
    gamma: float = node.attr("gamma", 1.05070102214813232421875)
    return where(binary("le", x, 0), unary("expm1", x) * alpha, x) * gamma


@activation("Celu")
def celu(node: NodeView, x: Expr) -> Expr:
    alpha = node.attr("alpha", 1.0)
    return binary("max", x, 0) + binary("min", unary("expm1", x / alpha) * alpha, 0)


@activation("HardSigmoid")
def hard_sigmoid(node: NodeView, x: Expr) -> Expr:
    return _unit(x * node.attr("alpha", 0.2) + node.attr("beta", 0.5))


@activation("HardSwish")
def hard_swish(node: NodeView, x: Expr) -> Expr:
    return x * _unit(x * (1 / 6) + 0.5)


@activation("Softplus")
def softplus(node: NodeView, x: Expr) -> Expr:
    """log(1 + exp(x)), without overflow"""
    return binary("max", x, 0) + unary("log1p", unary("exp", -unary("abs", x)))


@activation("Softsign")
def softsign(node: NodeView, x: Expr) -> Expr:
    return x / (unary("abs", x) + 1)


@activation("Mish")
def mish(node: NodeView, x: Expr) -> Expr:
    return x * unary("tanh", softplus(node, x))


@activation("Swish")
def swish(node: NodeView, x: Expr) -> Expr:
    alpha = node.attr("alpha", 1.0)
    return x * unary("sigmoid", x if alpha == 1 else x * alpha)


@activation("Gelu")
def gelu(node: NodeView, x: Expr) -> Expr:
    """x * Phi(x); approximate = tanh is the cubic one"""
    return unary("gelu_tanh" if node.attr("approximate", "none") == "tanh" else "gelu", x)


@activation("Shrink")
def shrink(node: NodeView, x: Expr) -> Expr:
    threshold, bias = node.attr("lambd", 0.5), node.attr("bias", 0.0)
    inner = where(binary("gt", x, threshold), x - bias, const(0, x.dtype))
    return where(binary("lt", x, -threshold), x + bias, inner)


@operator("PRelu")
def prelu(node: NodeView) -> Compute:
    x, slope = present(node)
    return elementwise(lambda v, s: where(binary("lt", v, 0), v * s, v), x.dtype, x, slope)


def _unit(x: Expr) -> Expr:
    assert x.dtype is not DType.BOOL
    return binary("min", binary("max", x, 0), 1)
