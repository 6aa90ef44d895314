"""Fold BatchNormalization into the weights before it; alone, it becomes a Mul and an Add.

    BN(op(x, W) + b)  ->  op(x, W * s) + (b * s + t)        op: Conv, ConvTranspose, Gemm, MatMul
    BN(x)             ->  x * s + t                         where no weights can take it
    s = gamma / sqrt(var + eps),  t = beta - mean * s       one per channel

Exact in real arithmetic; one rounding per weight, and s and t in f64; in f32 as ONNX Runtime has them, in a graph with
DynamicQuantizeLinear. Runs after canonicalize (BN is in inference form), before layout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.linear import Linear, emit_linear, find_linear, refuse_overflow
from burnish.passes.forms.products import matched
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Affine:
    """x * scale + shift per channel, in f64 (or what f32 made of them)."""

    scale: Array
    shift: Array


class FoldBatchNorm(Rule):
    """Into the weights of the node before it."""

    op_types = ("BatchNormalization",)

    def find(self, node: ir.Node) -> Match | Skip:
        affine = affine_of(node)
        if isinstance(affine, Skip):
            return affine
        assert node.inputs[0] is not None
        linear = find_linear(node.inputs[0], node)
        if isinstance(linear, Skip):
            return linear
        refused = refuse_overflow(linear, affine.scale)
        return refused or matched(node, (node, *linear.nodes), linear=linear, affine=affine)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        linear: Linear = match.linear
        return emit_linear(op, linear, match.affine.scale, match.affine.shift)


class SplitBatchNorm(Rule):
    """Into a Mul and an Add, which fuse with whatever is around them."""

    op_types = ("BatchNormalization",)

    def check(self, match: Match) -> Affine | Skip:
        x = match.root.inputs[0]
        if x is None or x.shape is None or x.dtype is None:
            return Skip(f"the rank or the dtype of the input of {match.root.name} is unknown")
        affine = affine_of(match.root)
        if isinstance(affine, Affine) and x.dtype == ir.DataType.FLOAT and _is_quantised_by_range(match.root):
            return _as_onnxruntime(match.root)
        return affine

    def rewrite(self, op: Builder, match: Match, found: Affine) -> ir.Value:
        x = match.root.inputs[0]
        assert x is not None and x.shape is not None and x.dtype is not None
        dtype, shape = x.dtype.numpy(), (-1, *(1,) * (len(x.shape) - 2))
        name = str(match.root.name)
        scaled: ir.Value = op.Mul(x, op.constant(found.scale.reshape(shape).astype(dtype), f"{name}.scale"))
        scaled.shape, scaled.type = x.shape, x.type
        shifted: ir.Value = op.Add(scaled, op.constant(found.shift.reshape(shape).astype(dtype), f"{name}.shift"))
        return shifted


def _is_quantised_by_range(node: ir.Node) -> bool:
    """Does the model quantise by the range of its data? Then one rounding of a number moves the codes of all others."""
    return node.graph is not None and any(n.op_type == "DynamicQuantizeLinear" for n in node.graph)


def _as_onnxruntime(node: ir.Node) -> Affine:
    """The scale and shift in f32, each step rounded as ONNX Runtime does."""
    arrays = [constant_array(value) for value in node.inputs[1:5]]
    gamma, beta, mean, variance = (np.asarray(a, np.float32) for a in arrays)
    epsilon = node.attributes["epsilon"].as_float() if "epsilon" in node.attributes else 1e-5
    scale = gamma * (np.float32(1) / np.sqrt(variance + np.float32(epsilon)))
    return Affine(scale, beta - mean * scale)


def affine_of(node: ir.Node) -> Affine | Skip:
    """The scale and shift of an inference-mode BatchNormalization with constant statistics."""
    mode = node.attributes.get("training_mode")
    if (mode is not None and mode.as_int() == 1) or any(o.uses() for o in node.outputs[1:]):
        return Skip(f"{node.name} is in training mode")
    arrays = []
    for name, value in zip(("scale", "bias", "mean", "variance"), node.inputs[1:5], strict=True):
        array = constant_array(value)
        if array is None:
            return Skip(f"the {name} of {node.name} is not constant")
        arrays.append(array.astype(np.float64))
    gamma, beta, mean, variance = arrays
    epsilon = node.attributes["epsilon"].as_float() if "epsilon" in node.attributes else 1e-5
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = gamma / np.sqrt(variance + epsilon)
    if not np.isfinite(scale).all():
        return Skip(f"{node.name} has a variance of {variance.min():g}, so its scale is not finite")
    return Affine(scale, beta - mean * scale)
