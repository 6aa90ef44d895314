"""recurrent.py: an LSTM after ONNX Runtime's dynamic quantiser. Oracle: ONNX Runtime on the call itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.importers.microsoft.run import call, check, quantised, real

WIDTH, HIDDEN = 8, 12


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_an_lstm_of_quantised_weights(direction: str, per_column: bool):
    count = 2 if direction == "bidirectional" else 1
    shape = (count, 4 * HIDDEN) if per_column else (count,)
    weights, recurrent = (quantised(count, n, 4 * HIDDEN, dtype=np.int8) for n in (WIDTH, HIDDEN))
    scale = np.full(shape, 0.003, np.float32) * (1 + np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 100)
    zero = np.zeros(shape, np.int8)
    lengths = np.array([5, 3], np.int32)
    state = [real(count, 2, HIDDEN), real(count, 2, HIDDEN)]
    inputs = [
        real(5, 2, WIDTH),
        weights,
        recurrent,
        real(count, 8 * HIDDEN),
        lengths,
        *state,
        None,
        scale,
        zero,
        scale,
        zero,
    ]
    outputs = (np.float32, np.float32, np.float32)
    model, feeds = call(
        "DynamicQuantizeLSTM", inputs, (1, 2, 3, 8, 9, 10, 11), outputs, direction=direction, hidden_size=HIDDEN
    )
    check(model, feeds, relative=0.02)  # ONNX Runtime rounds the states to 8 bits between steps
