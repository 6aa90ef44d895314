"""The pattern rules on real trained models: they find what is there, and ONNX Runtime gives the same answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from burnish.importers import load_model
from burnish.importers.export import export_model
from burnish.passes.pipeline import optimize

MODELS = Path(__file__).parents[3] / "shared" / "models"
FOUND = {
    "gtcrn": {"LayerNormalization": 4, "BatchNormalization": 0, "Pow": 0},
    "magika_v3_3": {"LayerNormalization": 2, "Gelu": 2, "Softmax": 1, "Tanh": 0, "Exp": 0},
    "mnist_cntk": {"Gemm": 1},
    "ppocr_det_v11": {"HardSwish": 20, "BatchNormalization": 0, "Clip": 0, "Div": 0},
    "stories260k": {"RMSNormalization": 11, "Swish": 5, "Attention": 5, "Softmax": 0, "Expand": 0},
    "ultraface_rfb320": {"Conv": 52, "BatchNormalization": 0},
}

# One rounding per folded weight, amplified by the network: ppocr's f32 answers are themselves 1e-5 from f64 on a crop.
TOLERANCE = {"ppocr_det_v11": 2e-4}


def _session(model: Any) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _feeds(folder: Path, names: list[str]) -> dict[str, Any]:
    """The inputs of the first test data set, by position."""
    feeds = {}
    for index, name in enumerate(names):
        tensor = onnx.TensorProto.FromString((folder / "test_data_set_0" / f"input_{index}.pb").read_bytes())
        feeds[tensor.name or name] = onnx.numpy_helper.to_array(tensor)
    return feeds


@pytest.mark.parametrize("name, expected", FOUND.items(), ids=FOUND.keys())
def test_patterns_are_found_and_answers_stay(name: str, expected: dict[str, int]):
    path = MODELS / name / "model.onnx"
    if not path.exists():
        pytest.skip("the shared models are not on this machine")
    model = load_model(path).model
    feeds = _feeds(path.parent, [str(v.name) for v in model.graph.inputs])
    optimize(model)
    counts = Counter(node.op_type for node in model.graph.all_nodes())
    assert {op_type: counts[op_type] for op_type in expected} == expected
    assert [row.name for row in optimize(model).rows if row.changes] == [], "a second run finds something to do"
    before = _session(str(path)).run(None, feeds)
    after = _session(export_model(model).SerializeToString()).run(None, feeds)
    for want, got in zip(before, after, strict=True):
        scale = float(np.abs(want).max()) or 1.0
        np.testing.assert_allclose(got / scale, want / scale, rtol=0, atol=TOLERANCE.get(name, 2e-5))
