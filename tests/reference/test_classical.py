"""Operators of ai.onnx.ml, and how an SVM's pairwise probabilities become those of classes."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.reference.classical import couple

from . import draw_classical
from .compare import assert_evaluator
from .draw import DRAWS

CLASSICAL = [name for name, draw in DRAWS.items() if draw.__module__ == draw_classical.__name__]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_models_are_those_of_onnxruntime(name: str, seed: int):
    assert_evaluator(name, seed)


def test_probabilities_that_agree_in_pairs_are_found():
    p = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(couple(p[:, None] / (p[:, None] + p)), p, atol=5e-3)
