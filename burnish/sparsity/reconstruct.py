"""Let the weights that stay take over what the others did, as far as the samples say that they can.

Least squares: of all weights with the given zeros, those whose product with the data is nearest to the old ones'. One
column after the other becomes zero, and each later column takes its share of the error (optimal brain surgeon, as
SparseGPT orders it: arXiv:2301.00774): the choice of a group's zeros sees what the groups before left.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from burnish.sparsity.masks import Array

DAMP = 0.01  # of the mean square: what few samples leave open is not stretched
BLOCK = 128  # columns whose errors reach the rest together

Choose = Callable[[Array, int], Array]


def prune_columns(weights: Array, sums: Array, choose: Choose, step: int) -> Array:
    """f32[outputs, terms] with zeros.

    sums:   sum(row^T row) of the data, f32[terms, terms]
    choose: which weights stay, bool, of `step` adjacent columns, by the error that each one's loss makes alone
    """
    inverse = _inverse_factor(sums)
    left = weights.astype(np.float32, copy=True)
    terms = left.shape[1]
    for first in range(0, terms, BLOCK):
        end = min(first + BLOCK, terms)
        errors = np.zeros((len(left), end - first), np.float32)
        for column in range(first, end):
            if (column - first) % step == 0:
                span = slice(column, min(column + step, end))
                stays = choose((left[:, span] / np.diag(inverse)[span]) ** 2, column)
            lost = np.where(stays[:, (column - first) % step], 0, left[:, column])
            error = lost / inverse[column, column]
            errors[:, column - first] = error
            left[:, column + 1 : end] -= np.outer(error, inverse[column, column + 1 : end])
            left[:, column] -= lost
        left[:, end:] -= errors @ inverse[first:end, end:]
    return left


def drop_terms(weights: Array, sums: Array, kept: Array) -> Array:
    """f32[outputs, kept]: the weights of some terms, that do for those of all. kept: their numbers"""
    damped = _damped(sums)
    solved = np.linalg.solve(damped[np.ix_(kept, kept)], damped[kept] @ weights.T.astype(np.float64))
    return solved.T.astype(np.float32)


def _inverse_factor(sums: Array) -> Array:
    """The upper Cholesky factor of the inverse."""
    inverse = np.linalg.inv(_damped(sums))
    return np.linalg.cholesky((inverse + inverse.T) / 2).T.astype(np.float32)


def _damped(sums: Array) -> Array:
    wide = sums.astype(np.float64)
    mean = float(np.mean(np.diag(wide))) or 1.0
    return wide + np.eye(len(wide)) * DAMP * mean
