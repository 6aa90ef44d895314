"""What products read, over samples: the sums of products of each two of the numbers that they multiply with weights.

A row of a product's data has `terms` numbers: for a convolution the window under its filter, tap by tap, with the
channels of a tap side by side. From the matrix sum(row^T row) follows how well some terms can stand for others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.lib.stride_tricks import sliding_window_view

from burnish.building import build
from burnish.building.analyze import prepare
from burnish.calibration.preprocess import load_preprocess
from burnish.calibration.samples import open_samples
from burnish.errors import UserError
from burnish.passes.pipeline import SPELLED_OUT
from burnish.passes.rewrite.constants import constant_array
from burnish.runtime import load
from burnish.sparsity.layers import each_weight
from burnish.sparsity.masks import Array

Progress = Callable[[str, int, int], None]
ROWS = 512  # of a layer's data in one sample, evenly spread: neighbours tell the same


@dataclass(frozen=True)
class Activity:
    """sums: f32[terms, terms] by the name of the product, empty without samples; left_out: samples with NaN or Inf."""

    sums: Mapping[str, Array] = field(default_factory=dict)
    left_out: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must know about the samples."""
        text = f"{self.left_out} samples hold NaN or Inf, or make them in a layer; they were left out"
        return (text,) if self.left_out else ()

    def usual(self, node: ir.Node, channels: int) -> Array | None:
        """f64[channels], how large each input channel is beside the others; None if the node was not seen."""
        found = self.sums.get(str(node.name))
        if found is None or len(found) % channels:
            return None
        return np.asarray(np.sqrt(np.diag(found).reshape(-1, channels).mean(0, dtype=np.float64)))


def find_activity(
    model: Any,
    data: Any,
    preprocess: Any,
    shapes: Mapping[str, Any] | None,
    threads: int | None,
    progress: Progress | None,
) -> Activity:
    """Run samples through the model in f32; arguments as for `calibrate`. Needs 4 terms^2 bytes for each product."""
    found = prepare(model, shapes=shapes, passes=SPELLED_OUT)
    graph = found.imported.model.graph
    nodes = [
        w.node
        for w in each_weight(graph)
        if w.node.op_type != "ConvTranspose" and w.node.attributes.get_int("group", 1) == 1
    ]
    values = dict.fromkeys(v for node in nodes if (v := node.inputs[0]) is not None)
    graph.outputs[:] = [v for v in values if not v.is_graph_input()] or graph.outputs[:1]
    sums, number, left_out = dict[str, Array](), 0, 0
    with load(build(found.imported.model, profile=found.profile.ranges), threads=threads) as engine:
        stated = None if preprocess is None else load_preprocess(preprocess)
        samples = open_samples(data, engine.manifest.inputs, stated, engine.manifest.symbols)
        for number, sample in enumerate(samples, 1):
            if progress is not None:
                progress("prune", number - 1, samples.count or 0)
            seen = {**sample, **engine(sample)}
            if not all(np.isfinite(seen[str(value.name)]).all() for value in values):
                left_out += 1  # one NaN in the sums would make all fitted weights NaN
                continue
            for node in nodes:
                value = node.inputs[0]
                assert value is not None
                for rows in _rows(node, seen[str(value.name)]):
                    sums[str(node.name)] = sums.get(str(node.name), np.float32(0)) + rows.T @ rows
    if left_out == number:
        why = "each makes NaN or Inf in a layer's data, or holds them"
        raise UserError(
            "E721", "there are no samples to fit weights to", why=why, hint="look at the data and at the weights"
        )
    return Activity(sums, left_out)


def _rows(node: ir.Node, data: Array) -> Iterator[Array]:
    """f32[rows, terms], at most ROWS; nothing if the node's windows are not plain."""
    if node.op_type != "Conv":
        rows = data.reshape(-1, data.shape[-1])
        yield np.ascontiguousarray(rows[_spread(len(rows))], np.float32)
    elif node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET":
        yield _windows(node, data).astype(np.float32)


def _windows(node: ir.Node, data: Array) -> Array:
    """[rows, terms]: the numbers under the filter at some places, tap by tap."""
    weight, axes = constant_array(node.inputs[1]), data.ndim - 2
    assert weight is not None
    sizes = weight.shape[2:]
    strides, dilations = (node.attributes.get_ints(name, (1,) * axes) for name in ("strides", "dilations"))
    pads = node.attributes.get_ints("pads", (0,) * (2 * axes))
    padded = np.pad(data, ((0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)))
    spans = tuple((size - 1) * step + 1 for size, step in zip(sizes, dilations, strict=True))
    views = sliding_window_view(padded, spans, axis=tuple(range(2, data.ndim)))  # type: ignore[call-overload]
    steps = (slice(None, None, step) for step in (*strides, *dilations))
    windows = views[(slice(None), slice(None), *steps)].transpose(0, *range(2, 2 + 2 * axes), 1)
    places = windows.shape[: 1 + axes]
    picked = windows[np.unravel_index(_spread(math.prod(places)), places)]
    return np.asarray(picked.reshape(len(picked), -1))


def _spread(count: int) -> Array:
    """At most ROWS numbers below `count`."""
    return np.arange(0, count, -(-count // ROWS))
