"""Elementwise operators."""

from __future__ import annotations

from burnish.ops import expr
from burnish.ops.definition import Compute, NodeView
from burnish.ops.registry import operator


@operator("Relu")
def relu(node: NodeView) -> Compute:
    x = node.tensor(0)
    return Compute(x.dtype, x.shape, lambda i: expr.binary("max", x[i], 0))
