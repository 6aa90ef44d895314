"""The quantised model as ONNX: other tools run it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from burnish.calibration import calibrate, quantised_model
from tests.end_to_end.architectures import SMALL


def test_it_is_in_an_opset_that_onnx_runtime_has_and_without_fused_attention() -> None:
    bert = SMALL["bert"]
    samples = [bert.feeds(1, seed=n) for n in range(2)]
    shapes = {n: a.shape for n, a in samples[0].items()}
    model = quantised_model(bert.make(), calibrate(bert.make(), samples, shapes=shapes), shapes=shapes)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version <= 20  # see findings/onnxruntime_quantised_matmul.sh
    kinds = {n.op_type for n in model.graph.node}
    assert "QuantizeLinear" in kinds and "Attention" not in kinds
    result = onnxruntime.InferenceSession(model.SerializeToString()).run(None, samples[0])[0]
    exact = onnxruntime.InferenceSession(bert.make()).run(None, samples[0])[0]
    assert 0 < np.linalg.norm(result - exact) < 0.1 * np.linalg.norm(exact)


def test_the_same_ranges_give_the_same_bytes() -> None:
    resnet = SMALL["resnet"]
    ranges = calibrate(resnet.make(), [resnet.feeds(1)])
    first, second = (quantised_model(resnet.make(), ranges).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
