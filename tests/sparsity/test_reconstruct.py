"""reconstruct.py: the weights that stay do the others' work, by least squares."""

from __future__ import annotations

import numpy as np

from burnish.sparsity.masks import two_of_four
from burnish.sparsity.reconstruct import drop_terms, prune_columns


def data(rows: int, terms: int, rank: int) -> np.ndarray:
    """Terms that depend on each other, and a little noise."""
    generator = np.random.default_rng(1)
    shared = generator.standard_normal((rows, rank)) @ generator.standard_normal((rank, terms))
    return (shared + 0.1 * generator.standard_normal((rows, terms))).astype(np.float32)


def test_dropped_terms_are_fitted_as_least_squares_fit_them():
    x, weights = data(400, 24, 6), np.random.default_rng(2).standard_normal((5, 24)).astype(np.float32)
    kept = np.arange(0, 24, 2)
    ours = drop_terms(weights, x.T @ x, kept)
    best = np.linalg.lstsq(x[:, kept].astype(np.float64), x.astype(np.float64) @ weights.T, rcond=None)[0].T
    error, least = (np.linalg.norm(x[:, kept] @ w.T - x @ weights.T) for w in (ours, best))
    assert least <= error <= 1.05 * least
    assert error < 0.2 * np.linalg.norm(x[:, kept] @ weights[:, kept].T - x @ weights.T)


def test_two_of_four_with_fitting_loses_less_than_the_largest_weights_alone():
    x, weights = data(600, 160, 20), np.random.default_rng(3).standard_normal((8, 160)).astype(np.float32)
    fitted = prune_columns(weights, x.T @ x, two_of_four, 4)
    plain = np.where(two_of_four(np.abs(weights), 0), weights, 0)
    assert np.array_equal((fitted.reshape(8, 40, 4) == 0).sum(2), np.full((8, 40), 2))
    error, naive = (np.linalg.norm(x @ w.T - x @ weights.T) for w in (fitted, plain))
    assert error < 0.35 * naive


def test_data_that_is_always_zero_gives_finite_weights():
    weights = np.ones((2, 8), np.float32)
    assert np.isfinite(prune_columns(weights, np.zeros((8, 8), np.float32), two_of_four, 4)).all()
