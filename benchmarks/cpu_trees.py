"""Tree ensembles beside ONNX Runtime: the same file to both, in turns, threads and rows as given.

python benchmarks/cpu_trees.py [--threads 2] [--rounds 40] [MODEL.onnx ...]

Without models: random ensembles of the sizes that LightGBM, XGBoost and scikit-learn make. Both systems run in this one
process, since a call takes microseconds; each call of the one is followed by a call of the other. Answers are compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import onnx
import onnxruntime

import burnish
from tests.tree_models import keyed_trees, tree_model

ROWS = (1, 32, 1024)
SHAPES = {  # name: trees, depth, features
    "100 trees of depth 6": (100, 6, 30),
    "500 trees of depth 8": (500, 8, 100),
    "100 trees of depth 14": (100, 14, 30),
}


def spread(times: list[float]) -> str:
    """Median, and half the distance between the quartiles [us]."""
    low, middle, high = statistics.quantiles(times, n=4)
    return f"{1e6 * middle:9.1f} ± {5e5 * (high - low):6.1f}"


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, in turns, after a few that do not count."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 3):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= 3:
                found[name].append(time.perf_counter() - start)
    return found


def measure(name: str, model: onnx.ModelProto, threads: int, rounds: int) -> None:
    """One model at every number of rows."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    width, dtype = given.shape[1], np.float64 if "double" in given.type else np.float32
    profile = {given.name: ((1, width), (64, width), (max(ROWS), width))}
    with burnish.load(burnish.build(model, profile=profile), threads=threads) as engine:
        for rows in ROWS:
            x = np.random.default_rng(rows).normal(size=(rows, width)).astype(dtype)
            ours, theirs = engine({given.name: x}), session.run(None, {given.name: x})
            for spec, want in zip(session.get_outputs(), theirs):
                np.testing.assert_allclose(ours[spec.name], want, rtol=1e-4, atol=1e-4)
            calls: dict[str, Callable[[], object]] = {
                "burnish": lambda x=x: engine({given.name: x}),
                "onnxruntime": lambda x=x: session.run(None, {given.name: x}),
            }
            times = in_turns(calls, rounds)
            ratio = statistics.median(times["onnxruntime"]) / statistics.median(times["burnish"])
            shown = "   ".join(f"{n} {spread(t)} us" for n, t in times.items())
            print(f"{name:24} {rows:5} rows   {shown}   {ratio:5.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    models = {Path(m).parent.name or m: onnx.load(m) for m in options.models}
    for name, (trees, depth, features) in {} if models else SHAPES.items():
        attributes = keyed_trees(np.random.default_rng(0), "target", trees, depth, features)
        models[name] = tree_model("TreeEnsembleRegressor", attributes | {"n_targets": 1}, features, 1, "float32")
    for name, model in models.items():
        measure(name, model, options.threads, options.rounds)


if __name__ == "__main__":
    main()
