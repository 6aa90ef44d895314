"""LRN and LpNormalization."""

from __future__ import annotations

import pytest

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["lrn", "lp_normalization"])
def test_norms_are_those_of_onnxruntime(name: str, seed: int):
    assert_evaluator(name, seed)
