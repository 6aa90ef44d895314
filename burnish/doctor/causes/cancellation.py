"""Two large numbers are subtracted, and what is left is no larger than their roundings.

a - b, a sum of products that cancel, a norm of numbers that are all near their mean
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir

from burnish.doctor.case import Case
from burnish.doctor.finding import Cause, Finding
from burnish.passes.rewrite.constants import constant_array

Array = np.ndarray[Any, Any]
CAUSE = Cause(
    "cancellation",
    "catastrophic cancellation",
    "Nearly equal numbers are subtracted: their roundings stay, and what they stand for goes.",
)
LEAST = 8.0  # times smaller than its terms is what is left
SHARE = 0.1  # of the error that roundings of the terms explain
NORMS = frozenset({"LayerNormalization", "InstanceNormalization", "GroupNormalization"})


def find(case: Case) -> Finding | None:
    """Is a result far smaller than the terms of its sum?"""
    if case.codes is not None:
        return None
    eps = max((float(ml_dtypes.finfo(d).eps) for d in case.sources.values() if d.kind in "fV"), default=0.0)
    for node, terms, left in _sums(case):
        times = terms / left if left else np.inf
        if times >= LEAST and times * eps >= SHARE * case.error:
            text = f"{node.op_type} '{node.name}' leaves {left:.3g} of terms of {terms:.4g} (root mean squares)"
            found = case.finding(CAUSE, f"{text}, which are kept to {eps / 2:.1g} of themselves", str(node.name))
            return replace(found, raises=tuple(dict.fromkeys((*found.raises, *case.makers))))
    return None


def _sums(case: Case) -> Iterator[tuple[ir.Node, float, float]]:
    """Each sum: the root mean squares of its terms, and of what is left."""
    for node in case.region:
        result, given = case.of(node.outputs[0]), [case.of(v) for v in node.inputs]
        if result is None:
            continue
        if node.op_type in ("Add", "Sub"):
            sides = [x if x is not None else _constant(v) for x, v in zip(given, node.inputs)]
            largest = max((_size(x) for x in sides if x is not None), default=0.0)
            yield node, largest, _size(result)
        elif node.op_type in ("MatMul", "Gemm") and given[0] is not None:
            right = given[1] or _constant(node.inputs[1])
            if right is not None and node.op_type == "MatMul":
                terms = [np.abs(a) @ np.abs(right[min(n, len(right) - 1)]) for n, a in enumerate(given[0])]
                yield node, _size(terms), _size(result)
        elif node.op_type in NORMS and given[0] is not None:
            axes = _axes(node, given[0][0].ndim)
            yield node, _size(given[0]), _size([a - a.mean(axes, keepdims=True) for a in given[0]])


def _axes(node: ir.Node, rank: int) -> tuple[int, ...]:
    if node.op_type == "LayerNormalization":
        first = node.attributes["axis"].as_int() if "axis" in node.attributes else -1
        return tuple(range(first % rank, rank))
    return tuple(range(2, rank))


def _constant(value: ir.Value | None) -> list[Array] | None:
    array = constant_array(value)
    return None if array is None or array.dtype.kind not in "fV" else [array.astype(np.float32)]


def _size(arrays: list[Array]) -> float:
    """The root mean square of the finite numbers."""
    numbers = np.concatenate([a[np.isfinite(a)].ravel() for a in arrays]).astype(np.float64)
    return float(np.sqrt(np.mean(numbers**2))) if numbers.size else 0.0
