"""Where an f32 graph is quantised: the products with constant weights, what they read, and who else reads that.

    Conv, ConvTranspose, Gemm, MatMul      their data and their weight
    Add, Concat, pools                     a tensor that a product reads as codes anyway: it is stored as bytes alone

A residual sum beside a LayerNormalization stays f32: it carries a transformer's outliers from layer to layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.weights import PRODUCTS, weight_axes
from burnish.passes.rewrite.constants import constant_array, is_constant
from burnish.precision.precision import Decision

READERS = frozenset({"Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Flatten", "Reshape"})
INSIDE = "it stands inside an If or a Loop, whose tensors calibration does not see"
NORMS = frozenset({"LayerNormalization", "RMSNormalization"})


@dataclass(frozen=True)
class Point:
    """A product that multiplies codes. axis: the one of the weight that counts output channels."""

    node: ir.Node
    data: ir.Value
    weight: ir.Value
    axis: int

    @property
    def channel_axis(self) -> int:
        """The axis of the data that counts its channels: the one that the product sums."""
        if self.node.op_type in ("Conv", "ConvTranspose"):
            return 1
        attributes = self.node.attributes
        return 0 if "transA" in attributes and attributes["transA"].as_int() else -1

    @property
    def is_depthwise(self) -> bool:
        """A Conv of one input channel for each output channel: its data may have a scale for each channel."""
        groups = self.node.attributes["group"].as_int() if "group" in self.node.attributes else 1
        shape = self.weight.shape
        return self.node.op_type == "Conv" and shape is not None and groups > 1 and list(shape)[:2] == [groups, 1]


def find_points(graph: ir.Graph) -> tuple[tuple[Point, ...], tuple[Decision, ...]]:
    """The products to quantise, in order, and a decision for each product that is not."""
    points, kept = list[Point](), list[Decision]()
    for node in graph.all_nodes():
        if node.op_type not in PRODUCTS or node.domain:
            continue
        found = _point(node)
        if isinstance(found, Point) and node.graph is graph:
            points.append(found)
        else:
            why = INSIDE if isinstance(found, Point) else found
            kept.append(Decision(str(node.name), node.op_type, "f32", "f32", why))
    return tuple(points), tuple(kept)


def digest_of(points: Iterable[Point]) -> str:
    """Tells the products of one model from those of another, by their weights, whatever shapes a build fixes."""
    found = hashlib.sha256()
    for point in points:
        weight = constant_array(point.weight)
        assert weight is not None
        found.update(f"{point.node.op_type} {point.data.name} {weight.shape};".encode())
        found.update(np.ascontiguousarray(weight).data if weight.size else b"")
    return found.hexdigest()


def _point(node: ir.Node) -> Point | str:
    """The point of a product, or why it has none."""
    data, weight = node.inputs[0], node.inputs[1]
    assert data is not None and weight is not None, f"{node.name}: an input is missing"
    if not is_constant(weight):
        return "both sides are computed" if not is_constant(data) else "its constant is on the left"
    if is_constant(data):
        return "both sides are constant"
    if data.dtype != ir.DataType.FLOAT or weight.dtype != ir.DataType.FLOAT:
        return "its tensors are not f32"
    rank = 0 if weight.shape is None else len(weight.shape)
    if rank < 2:
        return f"its weight has rank {rank}"
    return Point(node, data, weight, weight_axes(node, rank)[0])


def refuse_float8(point: Point) -> str:
    """Why no target multiplies float8 there, so that rounding to it would lose accuracy for nothing; else empty."""
    if point.node.op_type == "ConvTranspose":
        return "no target has a transposed convolution of float8"
    rank = 0 if point.weight.shape is None else len(point.weight.shape)
    is_stack = point.node.op_type == "MatMul" and rank > 2
    return f"its weight has rank {rank}, which no product of float8 takes" if is_stack else ""


def only_depthwise(value: ir.Value) -> bool:
    """Do depthwise convolutions alone read a tensor, as their data?"""
    uses = list(value.uses())
    return bool(uses) and all(use.idx == 0 and _is_depthwise(use.node) for use in uses) and not value.is_graph_output()


def _is_depthwise(node: ir.Node) -> bool:
    found = _point(node) if node.op_type == "Conv" and not node.domain else ""
    return isinstance(found, Point) and found.is_depthwise


def readers_of_codes(value: ir.Value) -> tuple[tuple[ir.Node, int], ...]:
    """The uses of a quantised value, besides products, that read its codes too."""
    users = ((use.node, use.idx) for use in value.uses())
    return tuple((n, i) for n, i in users if n.op_type in READERS and not n.domain and not _beside_norm(n))


def _beside_norm(node: ir.Node) -> bool:
    """Does a normalisation read the result, or make an operand?"""
    before = (v.producer() for v in node.inputs if v is not None)
    after = (u.node for v in node.outputs for u in v.uses())
    return any(n is not None and n.op_type in NORMS for n in (*before, *after))
