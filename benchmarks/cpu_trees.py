"""Tree ensembles beside ONNX Runtime: the same file to both, in turns, threads and rows as given.

python benchmarks/cpu_trees.py [--threads 2] [--rounds 40] [--inputs 16] [MODEL.onnx ...]

Without models: random ensembles of the sizes that LightGBM, XGBoost and scikit-learn make. Both systems run in this one
process, since a call takes microseconds. A round is a burst of calls of the one, then of the other. Between two bursts
there is a pause, since the threads of either system go on spinning for a while and would take a core from the other.
Each call of a burst takes the next of `--inputs` different inputs. With one input only, a processor learns the branches
of a system that walks by branches, and that system looks two to three times faster than it is. Answers are compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import onnx
import onnxruntime

import burnish
from tests.tree_models import keyed_trees, tree_model

Array = np.ndarray[Any, Any]
ROWS = (1, 32, 1024)
BURST_S = 0.01
PAUSE_S = 0.02
SHAPES = {  # name: trees, depth, features
    "100 trees of depth 6": (100, 6, 30),
    "500 trees of depth 8": (500, 8, 100),
    "100 trees of depth 14": (100, 14, 30),
}


def spread(times: list[float]) -> str:
    """Median, and half the distance between the quartiles [us]."""
    low, middle, high = statistics.quantiles(times, n=4)
    return f"{1e6 * middle:9.1f} ± {5e5 * (high - low):6.1f}"


def burst(call: Callable[[Array], object], inputs: list[Array]) -> float:
    """The median time of a call [s], after one that does not count."""
    call(inputs[-1])
    times: list[float] = []
    while len(times) < len(inputs) or sum(times) < BURST_S:
        x = inputs[len(times) % len(inputs)]
        start = time.perf_counter()
        call(x)
        times.append(time.perf_counter() - start)
    time.sleep(PAUSE_S)
    return statistics.median(times)


def measure(name: str, model: onnx.ModelProto, threads: int, rounds: int, inputs: int) -> None:
    """One model at every number of rows."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    width, dtype = given.shape[1], np.float64 if "double" in given.type else np.float32
    is_fixed = isinstance(given.shape[0], int)
    profile = None if is_fixed else {given.name: ((1, width), (64, width), (max(ROWS), width))}
    with burnish.load(burnish.build(model, profile=profile), threads=threads) as engine:
        calls: dict[str, Callable[[Array], Any]] = {
            "burnish": lambda x: engine({given.name: x}),
            "onnxruntime": lambda x: session.run(None, {given.name: x}),
        }
        for rows in [given.shape[0]] if is_fixed else ROWS:
            rng = np.random.default_rng(rows)
            each = [rng.normal(size=(rows, width)).astype(dtype) for _ in range(inputs)]
            compare(
                calls["burnish"](each[0]),
                dict(zip((o.name for o in session.get_outputs()), calls["onnxruntime"](each[0]))),
            )
            found: dict[str, list[float]] = {system: [] for system in calls}
            for _ in range(rounds):
                for system, call in calls.items():
                    found[system].append(burst(call, each))
            ratio = statistics.median(found["onnxruntime"]) / statistics.median(found["burnish"])
            shown = "   ".join(f"{n} {spread(t)} us" for n, t in found.items())
            print(f"{name:24} {rows:5} rows   {shown}   {ratio:5.2f}x", flush=True)


def compare(ours: Any, wanted: dict[str, Any]) -> None:
    """Fail if an answer differs by more than sums in another order do. A sequence of maps is compared by its values."""
    for name, want in wanted.items():
        got = ours[name]
        if isinstance(want, list):
            got, want = ([list(row.values()) for row in rows] for rows in (got, want))
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--inputs", type=int, default=16)
    options = parser.parse_args()
    models = {Path(m).parent.name or m: onnx.load(m) for m in options.models}
    for name, (trees, depth, features) in {} if models else SHAPES.items():
        attributes = keyed_trees(np.random.default_rng(0), "target", trees, depth, features)
        models[name] = tree_model("TreeEnsembleRegressor", attributes | {"n_targets": 1}, features, 1, "float32")
    for name, model in models.items():
        measure(name, model, options.threads, options.rounds, options.inputs)


if __name__ == "__main__":
    main()
