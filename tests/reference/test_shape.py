"""Shape with a start and an end."""

from __future__ import annotations

import pytest

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(12))
def test_a_range_of_extents_is_that_of_onnxruntime(seed: int):
    assert_evaluator("shape_of", seed)
