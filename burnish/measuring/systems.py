"""The systems that can be measured: how to load a model into each, and how to call it once.

Each system is imported only here, and only in the process that measures it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from burnish.runtime import Engine

Inputs = Mapping[str, np.ndarray[Any, Any]]
Run = Callable[[], Any]
PEERS = ("onnxruntime", "onnxruntime-cuda", "openvino", "openvino-bf16")


def prepare(system: str) -> None:
    """Import the system; ImportError if it is not installed."""
    if system == "burnish":
        import burnish.runtime  # noqa: F401
    elif system.startswith("onnxruntime"):
        import onnxruntime  # noqa: F401
    elif system.startswith("openvino"):
        import openvino  # noqa: F401
    else:
        raise ValueError(f"'{system}' is not one of burnish, {', '.join(PEERS)}")


def load(system: str, path: str, inputs: Inputs, threads: int, device: str = "") -> Run:
    """Load the model. Calling the result runs it once on the inputs. threads: 0 = all cores; device: of a plan."""
    if system == "burnish":
        return _burnish(path, inputs, threads, device)
    if system.startswith("openvino"):
        return _openvino(system, path, inputs, threads)
    return _onnxruntime(system, path, inputs, threads)


def profile_layers(path: str, inputs: Inputs, threads: int, device: str = "") -> list[dict[str, Any]]:
    """The time of each launch of a plan's file: the rows of `layers_of`."""
    from burnish.runtime import load as load_plan

    with load_plan(path, threads=threads or None, device=device or None) as engine:
        return layers_of(engine, inputs)


def layers_of(engine: Engine, inputs: Inputs) -> list[dict[str, Any]]:
    """A row per launch, with its share of the sum and, if known, of the roofline."""
    from dataclasses import asdict

    from burnish.measuring.roofline import limit_ms
    from burnish.plan.manifest import REFERENCE
    from burnish.target import parse_target

    target = parse_target(engine.variant.target)
    with engine.create_context() as context:
        rows = context.profile(inputs, iterations=20)
    total = sum(row.ms for row in rows) or 1.0
    limits = [None if row.kernel == REFERENCE else limit_ms(target, row.flops, row.bytes) for row in rows]
    return [
        asdict(row) | {"share": row.ms / total, "roofline": limit / row.ms if limit and row.ms else None}
        for row, limit in zip(rows, limits)
    ]


def launches_ms(path: str, inputs: Inputs, threads: int, device: str, runs: int) -> float | None:
    """Median time of a plan's launches, without the rest of a call such as copies. None if steps run on the host."""
    from burnish.errors import UserError
    from burnish.runtime import load as load_plan

    with load_plan(path, threads=threads or None, device=device or None) as engine, engine.create_context() as context:
        try:
            return float(np.median(context.time(inputs, runs)))
        except UserError as error:
            if error.code != "E517":
                raise
            return None


def _burnish(path: str, inputs: Inputs, threads: int, device: str) -> Run:
    from burnish.runtime import load as load_plan

    engine = load_plan(path, threads=threads or None, device=device or None)
    return lambda: engine(inputs)


def _onnxruntime(system: str, path: str, inputs: Inputs, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    provider = "CUDAExecutionProvider" if system.endswith("cuda") else "CPUExecutionProvider"
    session = onnxruntime.InferenceSession(path, options, providers=[provider])
    if session.get_providers()[0] != provider:  # it uses the CPU instead, and says so only in its log
        raise RuntimeError(f"this installation of onnxruntime has no {provider}")
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
