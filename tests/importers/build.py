"""Small models of old opsets, and what ONNX Runtime says of them before and after import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime

from burnish.importers import Imported
from burnish.importers.export import export_model

Arrays = Mapping[str, np.ndarray[Any, Any]]


def parse(opset: int, text: str, ir_version: int = 8, functions: str = "", domains: str = "") -> onnx.ModelProto:
    """A model from ONNX's text format at the given opset."""
    return onnx.parser.parse_model(
        f'<ir_version: {ir_version}, opset_import: ["" : {opset}{domains}]>\n{text}\n{functions}'
    )


def answers(proto: onnx.ModelProto, feeds: Arrays) -> list[np.ndarray[Any, Any]]:
    """ONNX Runtime's answers, its optimisations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feeds)))


def assert_import_keeps_answers(
    proto: onnx.ModelProto, imported: Imported, feeds: Arrays, expected: list[np.ndarray[Any, Any]] | None = None
) -> None:
    """The imported graph gives what the file gave (or `expected`), to f32 rounding."""
    want = answers(proto, feeds) if expected is None else expected
    got = answers(export_model(imported.model), feeds)
    assert len(want) == len(got)
    for a, b in zip(want, got, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def random(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
