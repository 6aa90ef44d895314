"""Pad: negative pads cut before the rest is padded."""

from __future__ import annotations

import pytest

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("name", ["pad"])
def test_pads_are_those_of_onnxruntime(name: str, seed: int):
    assert_evaluator(name, seed)
