"""ONNX Runtime's answers, and how near ours must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Array = np.ndarray[Any, Any]
COSINE = 0.99999


def session(model: str | Path | bytes, optimized: bool = False) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def answers(oracle: onnxruntime.InferenceSession, feeds: Mapping[str, Array]) -> dict[str, Array]:
    names = [o.name for o in oracle.get_outputs()]
    return dict(zip(names, oracle.run(names, dict(feeds)), strict=True))


def tolerance(dtype: np.dtype[Any], depth: int, amplification: float = 1.0) -> float:
    """The largest error, relative to the largest magnitude, that `depth` layers of roundings in another order explain.

    Roundings of one layer are independent of those of the next, so they add as sqrt(depth); each layer's sums of some
    hundred products are worth about 16 of them. amplification: of a network that magnifies small differences.
    """
    return 16 * float(np.finfo(dtype).eps) * float(max(depth, 1)) ** 0.5 * amplification


def assert_random_graph(got: Mapping[str, Array], want: Mapping[str, Array], place: str) -> None:
    """f32 answers of a small random graph, of any depth and content, are right; `place`: its seed, for the message."""
    for name, reference in want.items():
        scale = max(float(np.abs(reference).max(initial=0)), 1.0)
        np.testing.assert_allclose(got[name], reference, rtol=1e-4, atol=3e-5 * scale, err_msg=f"{place}: {name}")


def assert_near(got: Mapping[str, Array], want: Mapping[str, Array], relative: float, least: float = COSINE) -> None:
    """Names, shapes and dtypes are equal, integers too; floats to `relative` of the largest, and in direction."""
    assert list(got) == list(want)
    for name, reference in want.items():
        answer = got[name]
        assert (answer.shape, answer.dtype) == (reference.shape, reference.dtype), name
        if reference.dtype.kind != "f" or not reference.size:
            np.testing.assert_array_equal(answer, reference, err_msg=name)
            continue
        a, b = answer.astype(np.float64), reference.astype(np.float64)
        assert np.isfinite(b).all(), f"{name}: the oracle's answer is not finite"
        scale = float(np.abs(b).max()) or 1.0
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=relative, err_msg=name)
        norm = float(np.linalg.norm(a) * np.linalg.norm(b))
        assert norm == 0 or float(np.vdot(a, b)) / norm >= least, f"{name}: cosine {float(np.vdot(a, b)) / norm}"


def shapes(feeds: Mapping[str, Array]) -> dict[str, Sequence[int]]:
    return {name: array.shape for name, array in feeds.items()}
