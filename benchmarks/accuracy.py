"""Real accuracy: trained models on labelled data, in f32 and in int8, beside ONNX Runtime's quantiser and NNCF.

    python -m benchmarks.accuracy [--tasks digits,magika] [--nncf PYTHON] [--minilm MODEL --tokenizer FILE]

Each tool calibrates on the same part and is judged on the other. Their models run in ONNX Runtime, ours in Burnish. The
loss is relative to the f32 score, in percent: less is better, and below 0 the codes did better than f32. A model
of ../shared that is not there is left out. MODEL is what tools/export_minilm.py of ../shared
writes, FILE the tokenizer.json beside its weights.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import onnxruntime

import burnish
from benchmarks.accuracy_quantisers import METHODS, by_nncf, by_onnxruntime
from benchmarks.accuracy_tasks import TASKS, Array, Run, Sample, Task, minilm
from burnish.calibration import calibrate

OURS = ("entropy", "minmax", "mse", "percentile:99.99", "mse+asymmetric")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join((*TASKS, "minilm")))
    parser.add_argument("--ours", default="entropy", help=f"methods of ours: {','.join(OURS)}; fp8/mse for float8")
    parser.add_argument("--nncf", default="", help="a Python that has NNCF")
    parser.add_argument("--minilm", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--no-others", action="store_true")
    given = parser.parse_args()
    makers = {**TASKS, **({"minilm": partial(minilm, given.minilm, given.tokenizer)} if given.minilm else {})}
    print(f"{'task':12} {'measure':16} {'f32':>8}  {'tool':20} {'int8':>8} {'loss %':>8} {'cosine loss':>12}")
    for name in given.tasks.split(","):
        if name in makers:
            try:
                task = makers[name]()
            except FileNotFoundError as error:
                print(f"{name:12} left out: {error}")
                continue
            _compare(task, given.ours.split(","), given.nncf, not given.no_others)


def _compare(task: Task, ours: list[str], nncf: str, others: bool) -> None:
    exact = task.answers(_session(task.model))
    best = task.score(exact, exact)
    calibration = list(task.calibration)

    def show(tool: str, run: Run) -> None:
        answers = task.answers(run)
        score = task.score(answers, exact)
        loss = (best - score) / abs(best) * 100 if best != float("inf") else float("nan")
        distance = sum(_cosine(a, b) for a, b in zip(answers, exact, strict=True)) / len(exact)
        print(f"{task.name:12} {task.measure:16} {best:8.4f}  {tool:20} {score:8.4f} {loss:8.2f} {distance:12.2e}")
        sys.stdout.flush()

    for method in ours:
        try:
            kind, _, how = method.rpartition("/")
            codes = kind or "int8"
            ranges = calibrate(task.model, calibration, method=how, precision=codes, profile=task.profile)
            plan = burnish.build(task.model, precision=codes, ranges=ranges, profile=task.profile)
            with burnish.load(plan) as engine:
                show(f"burnish {method}", lambda sample: dict(engine(sample)))
        except burnish.BurnishError as error:
            print(f"{task.name:12} burnish {method}: {error.code} {error.what}")
    if not others:
        return
    makers = {f"ORT {m}": partial(by_onnxruntime, task.model, calibration, m) for m in METHODS}
    if nncf:
        makers["NNCF"] = partial(by_nncf, task.model, calibration, nncf, task.is_transformer)
    for tool, make in makers.items():
        try:
            run = _session(make())
        except Exception as error:  # a tool that cannot is a line of the table
            print(f"{task.name:12} {tool}: {type(error).__name__}: {str(error).splitlines()[0][:120]}")
            continue
        show(tool, run)


def _session(model: bytes) -> Run:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options)
    names = [o.name for o in session.get_outputs()]
    return lambda sample: dict(zip(names, session.run(None, sample), strict=True))


def _cosine(a: Sample, b: Sample) -> float:
    import numpy as np

    def flat(outputs: Sample) -> Array:
        return np.concatenate([np.asarray(x, np.float64).ravel() for x in outputs.values()])

    x, y = flat(a), flat(b)
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return 1 - float(x @ y) / size if size else float(np.any(x) != np.any(y))


if __name__ == "__main__":
    main()
