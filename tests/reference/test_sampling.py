"""Resize and GridSample between the elements, at the corners and outside."""

from __future__ import annotations

import pytest

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ["resize", "resize_antialias", "grid_sample", "grid_sample_3d"])
def test_samples_are_those_of_onnxruntime(name: str, seed: int):
    assert_evaluator(name, seed)
