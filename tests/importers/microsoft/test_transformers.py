"""transformers.py: what ONNX Runtime's optimiser fuses. Oracle: ONNX Runtime on the call itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.importers.microsoft.run import call, check, quantised, real


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"),
    [
        ("Gelu", [real(3, 8)], {}),
        ("BiasGelu", [real(3, 8), real(8)], {}),
        ("FastGelu", [real(3, 8), real(8)], {}),
        ("FastGelu", [real(3, 8)], {}),
        ("QuickGelu", [real(3, 8)], {"alpha": 1.5}),
        ("FusedMatMul", [real(2, 4, 3), real(2, 5, 4)], {"transA": 1, "transB": 1, "alpha": 0.25}),
        ("FusedMatMul", [real(3, 4), real(4, 5)], {}),
    ],
)
def test_fused_pointwise_operators_and_products(op_type: str, inputs: list[Any], attributes: dict[str, Any]):
    check(*call(op_type, inputs, **attributes))


@pytest.mark.parametrize("has_bias", [False, True])
def test_the_norm_of_a_sum_and_the_sum(has_bias: bool):
    inputs = [real(2, 3, 8), real(2, 3, 8), real(8), real(8), real(8) if has_bias else None]
    check(*call("SkipLayerNormalization", inputs, (2, 3), (np.float32, None, None, np.float32), epsilon=1e-3))
    inputs = [real(2, 3, 8), real(2, 3, 8), real(8), real(8) if has_bias else None]
    check(*call("SkipSimplifiedLayerNormalization", inputs, (2,), epsilon=1e-3))


@pytest.mark.parametrize("has_segments", [False, True])
def test_embeddings_of_tokens_places_and_segments(has_segments: bool):
    ids, kinds = np.array([[3, 7, 0], [1, 1, 9]], np.int32), np.array([[0, 1, 1], [0, 0, 1]], np.int32)
    mask = np.array([[1, 1, 1], [1, 1, 0]], np.int32)
    segments = [kinds, real(2, 8)] if has_segments else [None, None]
    inputs = [ids, segments[0], real(10, 8), real(5, 8), segments[1], real(8), real(8), mask]
    check(*call("EmbedLayerNormalization", inputs, (2, 3, 5, 6), (np.float32, np.int32)))
    given = [a for a in (segments[1],) if a is not None]
    tables = [quantised(10, 8), quantised(5, 8), *[quantised(2, 8) for _ in given], quantised(8), quantised(8)]
    words, places, *middle, gamma, beta = tables
    kind = middle[0] if middle else None
    scales = [
        np.float32(0.01),
        np.float32(0.02),
        np.float32(0.03) if middle else None,
        np.float32(0.01),
        np.float32(0.02),
    ]
    zeros = [np.uint8(n) for n in (120, 130)] + [np.uint8(128) if middle else None] + [np.uint8(n) for n in (3, 110)]
    inputs = [ids, segments[0], words, places, kind, gamma, beta, mask, *scales, *zeros]
    constants = tuple(n for n in range(2, 18) if n != 7 and inputs[n] is not None)
    check(*call("QEmbedLayerNormalization", inputs, constants, (np.float32, np.int32)))
    check(*call("QEmbedLayerNormalization", [*inputs[:7], None, *inputs[8:]], constants, (np.float32, np.int32)))
