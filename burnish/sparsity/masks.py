"""Which weights are zero, and which to make zero: plain arithmetic over arrays of [outputs, inputs, ...]."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
GROUP, FULL = 4, 2  # of four adjacent inputs at most two are not zero: what sparse tensor cores take
ON_GPUS = (
    "GPUs multiply zeros as any weights: no kernel uses sparse tensor cores, which Triton does not reach. On an H200 "
    "they would make products of 4,096 and more 1.2 to 1.4 times as fast in f16, 1.3 in float8 and 1.8 in int8, those "
    "of BERT-Large 1.2 in f16 and 1.05 in float8, and small ones slower (benchmarks/gpu.md#two-of-four)"
)
BLOCK = 16  # outputs: a vector of f32, and the columns of a tile


def two_of_four(importance: Array, column: int) -> Array:
    """bool, which weights stay: the two most important of each four adjacent terms; of equal ones the first.

    importance: [outputs, terms], from a column on
    """
    parts = importance.reshape(len(importance), -1, GROUP)
    order = np.argsort(-parts, axis=2, kind="stable")
    stays = np.zeros(parts.shape, bool)
    np.put_along_axis(stays, order[:, :, :FULL], True, axis=2)
    return stays.reshape(importance.shape)


def largest(importance: Array, share: float, column: int = 0) -> Array:
    """bool, which weights stay if of each output this share, the least important, becomes zero.

    importance: [outputs, terms], from a column on. Outputs are not weighed against each other: they are scaled later.
    """
    count = round((column + importance.shape[1]) * share) - round(column * share)
    order = np.argsort(importance, axis=1, kind="stable")
    stays = np.ones(importance.shape, bool)
    np.put_along_axis(stays, order[:, :count], False, axis=1)
    return stays


def share_of_groups(weights: Array) -> float | None:
    """The share of groups of four inputs that have at most two weights; None if the inputs are no multiple of 4."""
    if weights.shape[1] % GROUP or not weights.size:
        return None
    return float(np.mean((_groups(weights) != 0).sum(2) <= FULL))


def share_of_blocks(weights: Array) -> float:
    """The share of blocks of 16 outputs of one input that are all zero."""
    outputs = weights.shape[0] - weights.shape[0] % BLOCK
    if not outputs:
        return 0.0
    parts = weights[:outputs].reshape(outputs // BLOCK, BLOCK, -1)
    return float(np.mean((parts == 0).all(1)))


def zero_rows(weights: Array, axis: int) -> int:
    """Outputs (axis 0) that read nothing, or inputs (axis 1) that nobody reads."""
    return int((weights == 0).all(tuple(a for a in range(weights.ndim) if a != axis)).sum())


def _groups(array: Array) -> Array:
    """[outputs, inputs / 4, 4, ...]"""
    outputs, inputs, *rest = array.shape
    return array.reshape(outputs, inputs // GROUP, GROUP, *rest)
