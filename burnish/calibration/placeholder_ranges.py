"""Ranges for measuring times alone: the same for every tensor, whatever the model computes.

As TensorRT's trtexec chooses them (samples/common/sampleEngines.cpp, setTensorDynamicRange): -2 to 2 for what a layer
reads, -4 to 4 for what a Concat reads and for results that nothing reads.
"""

from __future__ import annotations

import onnx

from burnish.precision.ranges import Range, Ranges

READ, MADE = Range(-2.0, 2.0), Range(-4.0, 4.0)
NOTE = "placeholder ranges: times are those of int8, answers are not kept; calibrate for answers"


def placeholder_ranges(graph: onnx.GraphProto) -> Ranges:
    """A range for each tensor of a graph. The first reader decides."""
    tensors: dict[str, Range] = {}
    for node in graph.node:
        for name in filter(None, node.input):
            tensors.setdefault(name, MADE if node.op_type == "Concat" else READ)
    for node in graph.node:
        for name in filter(None, node.output):
            tensors.setdefault(name, READ if node.op_type.endswith("Pool") else MADE)
    return Ranges(tensors, notes=(NOTE,), is_superset=True)
