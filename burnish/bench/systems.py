"""The systems that can be measured: how each loads a model, and one call of each.

Each is imported here only, and only in the process that measures it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Inputs = Mapping[str, np.ndarray[Any, Any]]
Run = Callable[[], Any]
PEERS = ("onnxruntime", "openvino", "openvino-bf16")


def prepare(system: str) -> None:
    """Import the system; ImportError if it is not installed."""
    if system == "burnish":
        import burnish.runtime  # noqa: F401
    elif system == "onnxruntime":
        import onnxruntime  # noqa: F401
    elif system.startswith("openvino"):
        import openvino  # noqa: F401
    else:
        raise ValueError(f"'{system}' is not one of burnish, {', '.join(PEERS)}")


def load(system: str, path: str, inputs: Inputs, threads: int) -> Run:
    """The model, ready; calling the result runs it once on the inputs. threads: 0 = all cores."""
    if system == "burnish":
        return _burnish(path, inputs, threads)
    return _onnxruntime(path, inputs, threads) if system == "onnxruntime" else _openvino(system, path, inputs, threads)


def profile_layers(path: str, inputs: Inputs, threads: int) -> list[dict[str, Any]]:
    """Where Burnish's time goes: a row per launch, with its share of the sum."""
    from dataclasses import asdict

    from burnish.runtime import load as load_plan

    with load_plan(path, threads=threads or None) as engine, engine.create_context() as context:
        rows = [asdict(row) for row in context.profile(inputs, iterations=20)]
    total = sum(row["ms"] for row in rows) or 1.0
    return [row | {"share": row["ms"] / total} for row in rows]


def _burnish(path: str, inputs: Inputs, threads: int) -> Run:
    from burnish.runtime import load as load_plan

    engine = load_plan(path, threads=threads or None)
    return lambda: engine(inputs)


def _onnxruntime(path: str, inputs: Inputs, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = dict(inputs)
    return lambda: session.run(None, feeds)


def _openvino(system: str, path: str, inputs: Inputs, threads: int) -> Run:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({name: list(array.shape) for name, array in inputs.items()})
    precision = system.partition("-")[2] or "f32"
    settings = {
        "INFERENCE_NUM_THREADS": threads or os.cpu_count() or 1,
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    feeds = dict(inputs)
    return lambda: request.infer(feeds)
