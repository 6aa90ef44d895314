"""LSTM, GRU, RNN: lengths, clip, activations, peepholes, input_forget, both directions."""

from __future__ import annotations

import pytest

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_every_attribute_counts_as_in_onnxruntime(name: str, seed: int):
    assert_evaluator(name, seed)
