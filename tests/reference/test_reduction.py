"""The reductions whose integers onnx widens, and those that it fails for without axes."""

from __future__ import annotations

import pytest

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", ["ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"])
def test_the_type_stays_and_axes_may_be_left_out(name: str, seed: int):
    assert_evaluator(name, seed)
