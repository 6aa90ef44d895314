"""The zeros of a model's weights, layer by layer, and what they give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.building.analyze import prepare
from burnish.passes.channels.drop_dead_channels import drop_dead_channels
from burnish.passes.forms.weights import PRODUCTS, weight_axes
from burnish.passes.pipeline import PORTABLE
from burnish.passes.rewrite.constants import constant_array, integer_shape
from burnish.sparsity.masks import Array, share_of_blocks, share_of_groups, zero_rows

DENSE = tuple(p for p in PORTABLE if p.name != "drop_dead_channels")


@dataclass(frozen=True, eq=False)
class Weight:
    """A product and its constant weight. outputs, inputs: the axes of the weight that count them."""

    node: ir.Node
    outputs: int
    inputs: int
    array: Array

    @property
    def arranged(self) -> Array:
        """[outputs, inputs, ...]"""
        return np.moveaxis(self.array, (self.outputs, self.inputs), (0, 1))

    @property
    def rows(self) -> Array:
        """[outputs, terms]: tap by tap, the inputs of a tap side by side."""
        return np.moveaxis(self.arranged, 1, -1).reshape(self.array.shape[self.outputs], -1)

    def from_rows(self, rows: Array, inputs: int | None = None) -> Array:
        """The weight whose `rows` these are; `inputs`: how many it has, if not as many as this one."""
        taps = self.arranged.shape[2:]
        arranged = np.moveaxis(rows.reshape(len(rows), *taps, inputs or self.array.shape[self.inputs]), -1, 1)
        moved = np.moveaxis(arranged, (0, 1), (self.outputs, self.inputs))
        return np.ascontiguousarray(moved, self.array.dtype)

    @classmethod
    def of(cls, node: ir.Node) -> Weight | None:
        """That of a node, if it is a product with a constant weight."""
        if node.op_type not in PRODUCTS or node.domain:
            return None
        array = constant_array(node.inputs[1])
        if array is None or array.dtype.kind in "iub" or array.ndim < 2:
            return None
        return cls(node, *weight_axes(node, array.ndim), array)


@dataclass(frozen=True)
class Layer:
    """zeros, groups, blocks: shares of 1: of weights; of groups of four inputs with two weights at most (2:4; None: the
    inputs do not divide); of blocks of 16 outputs of an input. multiply_adds: None if a dimension is open."""

    name: str
    operator: str
    shape: tuple[int, ...]
    zeros: float
    groups: float | None
    blocks: float
    dead_outputs: int
    dead_inputs: int
    multiply_adds: int | None


@dataclass(frozen=True)
class Sparsity:
    """taken_out: weights that every build removes with the channels that are always 0; weights: all there are."""

    layers: tuple[Layer, ...]
    weights: int
    taken_out: int


def find_sparsity(model: Any, *, shapes: Mapping[str, Any] | None = None) -> Sparsity:
    """The zeros of each product with constant weights, after the passes that are the same for every target.

    model, shapes: as for `build`; raises: E1xx and E2xx as there
    """
    found = prepare(model, shapes=shapes, passes=DENSE)
    dense = list(each_weight(found.imported.model.graph))
    layers, total = tuple(map(_layer, dense)), sum(weight.array.size for weight in dense)
    drop_dead_channels(found.imported.model, found.context)
    left = sum(weight.array.size for weight in each_weight(found.imported.model.graph))
    return Sparsity(layers, total, total - left)


def each_weight(graph: ir.Graph) -> Iterator[Weight]:
    """Products of f32 weights, in order."""
    return (weight for node in graph if (weight := Weight.of(node)) is not None)


def _layer(weight: Weight) -> Layer:
    array = weight.arranged
    return Layer(
        str(weight.node.name),
        weight.node.op_type,
        weight.array.shape,
        float(np.mean(array == 0)),
        share_of_groups(array),
        share_of_blocks(array),
        zero_rows(array, 0),
        zero_rows(array, 1),
        _multiply_adds(weight),
    )


def _multiply_adds(weight: Weight) -> int | None:
    """Of one run."""
    transposed = weight.node.op_type == "ConvTranspose"
    shape = integer_shape(weight.node.inputs[0] if transposed else weight.node.outputs[0])
    if shape is None:
        return None
    channels = weight.array.shape[0] if transposed else weight.array.shape[weight.outputs]
    return int(math.prod(shape) // max(channels, 1) * weight.array.size)
