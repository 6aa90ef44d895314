"""Precisions of single layers: they hold where a flag says so, and a layer that cannot obey is named."""

from __future__ import annotations

import burnish.tensorrt as trt
from burnish.plan import read
from tests.tensorrt.quantise.test_int8 import Calibrator, build, error, texts


def test_layers_keep_their_own_precision_if_constraints_hold() -> None:
    def change(network: trt.INetworkDefinition) -> None:
        network.get_layer(0).precision = trt.float32

    def options(plan: bytes | None) -> list[object]:
        assert plan is not None
        return read(plan).manifest.options.get("precision_layers", [])[1:]

    cache = b"TRT-8001-EntropyCalibration2\nx: 3cc00000\nr: 3e400000\n"
    for flag in ("OBEY_PRECISION_CONSTRAINTS", "PREFER_PRECISION_CONSTRAINTS", "STRICT_TYPES"):
        plan, logger = build(Calibrator(cache), flag, change=change)
        assert options(plan) == [{"precision": "fp32", "nodes": ["first"]}], logger.messages
    hint, logger = build(Calibrator(cache), change=change)
    assert options(hint) == [] and any("is a hint" in text for text in texts(logger, "WARNING"))
    assert error(plan) < error(hint)


def test_a_layer_that_cannot_obey_fails_the_build_or_is_named() -> None:
    def change(network: trt.INetworkDefinition) -> None:
        network.get_layer(2).precision = trt.int8

    cache = b"TRT-8001-EntropyCalibration2\nx: 3cc00000\n"  # the second product's tensor has no range
    plan, logger = build(Calibrator(cache), "OBEY_PRECISION_CONSTRAINTS", change=change)
    assert plan is None and "E658" in texts(logger, "ERROR")[0]
    plan, logger = build(Calibrator(cache), "PREFER_PRECISION_CONSTRAINTS", change=change)
    assert plan is not None
    assert any("No implementation of layer second obeys" in text for text in texts(logger, "WARNING"))
