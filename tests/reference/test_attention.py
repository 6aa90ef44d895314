"""Attention: masks, caches, groups of heads, and each kind of scores."""

from __future__ import annotations

import pytest

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("name", ["attention"])
def test_attention_and_its_scores_are_those_of_onnxruntime(name: str, seed: int):
    assert_evaluator(name, seed)
