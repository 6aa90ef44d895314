"""The quantised model as ONNX: other tools run it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from burnish.calibration import calibrate, quantised_model, save_model
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
    assert {t.name for t in model.graph.initializer} <= {name for n in model.graph.node for name in n.input}
    result = onnxruntime.InferenceSession(model.SerializeToString()).run(None, samples[0])[0]
    exact = onnxruntime.InferenceSession(bert.make()).run(None, samples[0])[0]
    assert 0 < np.linalg.norm(result - exact) < 0.1 * np.linalg.norm(exact)


def test_the_same_ranges_give_the_same_bytes() -> None:
    resnet = SMALL["resnet"]
    ranges = calibrate(resnet.make(), [resnet.feeds(1)])
    first, second = (quantised_model(resnet.make(), ranges).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_weights_that_one_file_cannot_hold_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resnet = SMALL["resnet"]
    model = quantised_model(resnet.make(), calibrate(resnet.make(), [resnet.feeds(1)]))
    wanted = onnxruntime.InferenceSession(model.SerializeToString()).run(None, resnet.feeds(1))[0]
    save_model(model, tmp_path / "whole.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["whole.onnx"]
    monkeypatch.setattr(sys.modules["burnish.calibration.quantised_model"], "LARGEST", 0)
    for _ in range(2):  # a file that is there is replaced
        save_model(onnx.ModelProto.FromString(model.SerializeToString()), tmp_path / "large.onnx")
    assert (tmp_path / "large.onnx").stat().st_size < (tmp_path / "whole.onnx").stat().st_size
    assert {file.name for file in tmp_path.iterdir()} == {"whole.onnx", "large.onnx", "large.onnx.data"}
    onnx.checker.check_model(tmp_path / "large.onnx", full_check=True)
    found = onnxruntime.InferenceSession(tmp_path / "large.onnx").run(None, resnet.feeds(1))[0]
    assert np.array_equal(found, wanted)
