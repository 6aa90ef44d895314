"""Measure how much the right answer changes when weights and inputs change by one rounding.

Some models subtract nearly equal numbers (for example a variance as E[x^2] - E[x]^2) and so magnify every rounding. A
tolerance derived from depth cannot foresee this, but it can be measured: the oracle runs again with every float weight
and input moved to a neighbouring float, up or down at random. An answer within a few times that distance is the exact
answer to a problem that is indistinguishable from the given one (it is backward stable), so it is right.

This costs a load and a run of the oracle for each sample, so it is done only for outputs that the derived tolerance
rejects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from burnish.dtypes import DType
from burnish.verification.oracle import Oracle

Array = np.ndarray[Any, Any]
SAMPLES = 3


def sensitivity(
    model: onnx.ModelProto, inputs: Mapping[str, Array], expected: Mapping[str, Array], oracle: str
) -> dict[str, float]:
    """For each expected output, the largest change seen, relative to the output's largest magnitude.

    expected: the oracle's answers for the model and inputs as they are
    """
    moved = dict.fromkeys(expected, 0.0)
    for seed in range(SAMPLES):
        generator = np.random.default_rng(seed)
        shaken = onnx.ModelProto()
        shaken.CopyFrom(model)
        for tensor in _float_tensors(shaken.graph):
            tensor.CopyFrom(numpy_helper.from_array(shake(numpy_helper.to_array(tensor), generator), tensor.name))
        around = {name: shake(array, generator) for name, array in inputs.items()}
        found = Oracle(shaken.SerializeToString(), oracle)(around, list(expected))
        for name, array in expected.items():
            moved[name] = max(moved[name], _distance(found[name], array))
    return moved


def shake(array: Array, generator: np.random.Generator) -> Array:
    """Move each float to the next one up or down, at random. Zeros, and types that are not numpy's own floats, stay."""
    if array.dtype.kind != "f" or not array.size:
        return array
    up = generator.integers(0, 2, array.shape, dtype=np.int8).astype(bool)
    infinity = array.dtype.type(np.inf)
    with np.errstate(over="ignore"):  # the largest float may only move down
        near = np.nextafter(array, np.where(up, infinity, -infinity).astype(array.dtype))
    return np.asarray(np.where((array == 0) | ~np.isfinite(near), array, near), dtype=array.dtype)


def _distance(found: Array, expected: Array) -> float:
    if found.shape != expected.shape or not DType.of(expected.dtype).is_float or not expected.size:
        return 0.0
    a, b = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    scale = float(np.abs(b[finite]).max(initial=0.0))
    return float(np.abs(a[finite] - b[finite]).max(initial=0.0)) / scale if scale else 0.0


def _float_tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """Initializers and Constant nodes of the graph and of all graphs inside it."""
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)
    found = [t for t in graph.initializer if t.data_type in floats]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += _float_tensors(attribute.g)
            elif node.op_type == "Constant" and attribute.HasField("t") and attribute.t.data_type in floats:
                found.append(attribute.t)
    return found
