"""attention.py: heads out of one product. Oracle: ONNX Runtime on the call itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.errors import UserError
from burnish.importers import load_model
from tests.importers.microsoft.run import call, check, quantised, real

BATCH, ROWS, HEADS, SIZE = 2, 5, 3, 4
HIDDEN = HEADS * SIZE
MASKS: dict[str, Any] = {
    "none": None,
    "per key": np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32),
    "per query": np.tril(np.ones((BATCH, ROWS, ROWS), np.int32)),
    "lengths": np.array([5, 3], np.int32),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("unidirectional", [0, 1])
def test_attention_in_floats_and_of_quantised_operands(mask: str, unidirectional: int):
    options = {"num_heads": HEADS, "unidirectional": unidirectional}
    weights, bias = real(HIDDEN, 3 * HIDDEN), real(3 * HIDDEN)
    check(
        *call("Attention", [real(BATCH, ROWS, HIDDEN), weights, bias, MASKS[mask]], (1, 2), **options),
        by_reference=True,
    )
    x, w = quantised(BATCH, ROWS, HIDDEN), quantised(HIDDEN, 3 * HIDDEN, dtype=np.int8)
    scales = [np.float32(0.02), np.float32(0.01)]
    inputs = [x, w, bias, *scales, MASKS[mask], np.uint8(128), np.int8(0)]
    check(*call("QAttention", inputs, (1, 2, 3, 4, 6, 7), **options), by_reference=True)


@pytest.mark.parametrize("unidirectional", [0, 1])
def test_a_past_of_keys_and_values_and_what_becomes_of_it(unidirectional: int):
    past = real(2, BATCH, HEADS, 3, SIZE)
    inputs = [real(BATCH, 2, HIDDEN), real(HIDDEN, 3 * HIDDEN), real(3 * HIDDEN), None, past]
    options = {"num_heads": HEADS, "unidirectional": unidirectional}
    check(*call("Attention", inputs, (1, 2), (np.float32, np.float32), **options))


def test_values_of_another_size_a_scale_and_a_bias_of_the_scores():
    inputs = [
        real(BATCH, ROWS, 7),
        real(7, 2 * HIDDEN + 6),
        real(2 * HIDDEN + 6),
        None,
        None,
        real(1, HEADS, ROWS, ROWS),
    ]
    check(*call("Attention", inputs, (1, 2), num_heads=HEADS, qkv_hidden_sizes=[HIDDEN, HIDDEN, 6], scale=0.3))


def test_forms_that_are_not_written_are_refused():
    inputs = [real(BATCH, ROWS, HIDDEN), real(HIDDEN, 3 * HIDDEN), real(3 * HIDDEN)]
    for options, words in (
        ({"num_heads": HEADS, "do_rotary": 1}, "turns its queries"),
        ({"num_heads": 5}, "36 columns are not queries, keys and values of 5 heads"),
    ):
        model, _ = call("Attention", inputs, (1, 2), **options)
        with pytest.raises(UserError, match=rf"E113(.|\n)*{words}"):
            load_model(model)
    model, _ = call("Attention", [*inputs, np.zeros(3, np.int32)], (1, 2), num_heads=HEADS)
    with pytest.raises(UserError, match="neither raw nor one length"):
        load_model(model)
