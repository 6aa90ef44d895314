"""Pooling and the transposed convolution, with every kind of padding."""

from __future__ import annotations

import pytest

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("name", ["max_pool", "average_pool", "lp_pool", "conv_transpose", "global_lp_pool"])
def test_windows_are_where_onnxruntime_has_them(name: str, seed: int):
    assert_evaluator(name, seed)
