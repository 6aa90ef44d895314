"""Operators of ai.onnx.ml that onnx gets wrong: Normalizer, and the probabilities of an SVM with over two classes."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MOST_ROUNDS = 100


def normalizer(x: Array, *, norm: str = "MAX") -> Array:
    """Rows divided by their maximum (the specification says max(X), not its magnitude), or their L1 or L2 norm."""
    wide = x.astype(np.result_type(x.dtype, np.float32)) if x.dtype.kind == "f" else x.astype(np.float32)
    rows = np.atleast_2d(wide)
    if norm == "MAX":
        size = rows.max(axis=1, keepdims=True)
    else:
        size = np.abs(rows).sum(axis=1, keepdims=True) if norm == "L1" else np.sqrt((rows * rows).sum(1, keepdims=True))
    return np.asarray(rows / np.where(size == 0, 1, size), np.float32).reshape(x.shape)


def svm_probabilities(self: Any, scores: Array, count: int) -> Array:
    """Probabilities of the classes from those of pairs, as in libsvm. `self`: onnx's SVMClassifier at a row."""
    attributes = self._svm.atts
    pairs = np.zeros((count, count), scores.dtype)
    for number, (i, j) in enumerate(zip(*np.triu_indices(count, 1))):
        value = scores[number] * attributes.prob_a[number] + attributes.prob_b[number]
        pairs[i, j] = np.clip(1 - 1 / (1 + np.exp(-value)), 1e-7, 1 - 1e-7)
        pairs[j, i] = 1 - pairs[i, j]
    return couple(pairs)


def couple(pairs: Array) -> Array:
    """p with p[i] / (p[i] + p[j]) near pairs[i, j]: Wu, Lin and Weng 2004, second method, libsvm's iteration."""
    count = len(pairs)
    q = -pairs.T * pairs
    np.fill_diagonal(q, 0)
    np.fill_diagonal(q, (pairs * pairs).sum(axis=0) - np.diag(pairs) ** 2)
    p = np.full(count, 1 / count, pairs.dtype)
    for _ in range(max(MOST_ROUNDS, count)):
        qp = q @ p
        pqp = p @ qp
        if np.abs(qp - pqp).max() < 0.005 / count:
            break
        for t in range(count):
            step = (pqp - qp[t]) / q[t, t]
            p[t] += step
            pqp = (pqp + step * (step * q[t, t] + 2 * qp[t])) / (1 + step) ** 2
            qp = (qp + step * q[t]) / (1 + step)
            p /= 1 + step
    return p
