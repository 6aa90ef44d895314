"""The standard models on one GPU: answers checked, ours and torch.compile measured in turns, the share of the floor.

    python benchmarks/gpu.py --models DIR --script make_models.py --out DIR      everything
    ... --only resnet50 --batches 1,8 --budget 500                               what 500 s allow
    python benchmarks/gpu.py --models DIR --floors                               no GPU: the floors alone
    python benchmarks/gpu.py --out DIR --report                                  no GPU: what was measured

DIR/results.jsonl gets a line as soon as something is known, so that a run that is stopped loses nothing; with --resume
what stands there is not measured again. Every system, and every build, has a process of its own. With --ahead 16,
sixteen cases are built and loaded side by side, and then measured one after the other, when nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gpu_cases import TOLERANCE, Case, chosen
from gpu_report import print_floors, print_layers, print_report
from gpu_turns import Process, measure_in_turns

HERE = Path(__file__).parent
EXPORTING = threading.Lock()  # two cases may share a model


class Results:
    """Lines of JSON, each on the disk before the next thing starts."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "results.jsonl"

    def add(self, case: Case, kind: str, **facts: Any) -> None:
        line = json.dumps({"case": case.name, "model": case.model, "batch": case.batch, "kind": kind, **facts})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        shown = {name: value for name, value in facts.items() if name not in ("layers", "floor", "times_ms")}
        print(f"{case.name:22} {kind:8} {json.dumps(shown)[:300]}", flush=True)

    def read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def has(self, case: Case, precision: str) -> bool:
        return any(r["case"] == case.name and r["kind"] == "time" and r["precision"] == precision for r in self.read())


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    cases = chosen(options.only, options.batches)
    if options.floors:
        print_floors(cases, options.models, options.precision, options.target)
        return
    results = Results(options.out)
    if options.report:
        print_report(results.read())
        return
    options.out.mkdir(parents=True, exist_ok=True)
    waiting = [c for c in cases if not (options.resume and results.has(c, options.precision))]
    end, longest = time.monotonic() + options.budget, 0.0
    while waiting:
        if time.monotonic() + longest > end:
            left = end - time.monotonic()
            print(f"{waiting[0].name}: {left:.0f} s are left, too few; --resume goes on here", flush=True)
            break
        start = time.monotonic()
        run(waiting[: options.ahead], options, results)
        waiting = waiting[options.ahead :]
        longest = max(longest, time.monotonic() - start)
    print_report(results.read())


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the standard models on one GPU.")
    parser.add_argument("--models", type=Path, default=HERE / "models", help="folder of the ONNX files")
    parser.add_argument("--script", type=Path, help="exports a model that is not there; needed for torch as well")
    parser.add_argument("--out", type=Path, default=HERE / "gpu-results", help="folder of results, plans, caches")
    parser.add_argument("--only", default="", help="names of models, separated by commas")
    parser.add_argument("--batches", default="", help="batches, separated by commas")
    parser.add_argument("--precision", default="fp16", choices=sorted(TOLERANCE))
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--device", default="cuda", help="where the plans and torch run")
    parser.add_argument("--cache", type=Path, help="timing cache, read and extended")
    parser.add_argument(
        "--opt-level", type=int, default=0, help="of the build: 0 takes the cost model's word or the cache's"
    )
    parser.add_argument("--tune-budget", type=float, default=120.0, help="seconds of tuning for each build")
    parser.add_argument("--peers", default="torch-default", help="torch-eager,torch-default,torch-max-autotune ...")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=1e9, help="seconds after which no further case is begun")
    parser.add_argument(
        "--ahead", type=int, default=1, help="cases that are prepared side by side before they are measured"
    )
    parser.add_argument("--layers", action="store_true", help="a table of the launches of each plan")
    parser.add_argument("--resume", action="store_true", help="leave out what has been measured")
    parser.add_argument("--floors", action="store_true", help="lower the models and print their floors; needs no GPU")
    parser.add_argument("--report", action="store_true", help="print what was measured; needs no GPU")
    return parser.parse_args(arguments)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case that is ready to be measured: its plan's floor, its contenders, loaded, and the oracle's answers."""

    case: Case
    floor: Any
    contenders: Sequence[Process]
    reference: Mapping[str, np.ndarray[Any, Any]]


def run(cases: Sequence[Case], options: argparse.Namespace, results: Results) -> None:
    """Build and load these cases side by side, then check and measure one after the other."""

    def attempt(case: Case, step: Callable[..., Any], *given: Any) -> Any:
        try:
            return step(case, *given, options, results)
        except Exception as error:
            results.add(case, "problem", precision=options.precision, problem=f"{type(error).__name__}: {error}"[:2000])
            return None

    with ThreadPoolExecutor(len(cases)) as pool:  # all are built, and tuned, before the first peer uses the GPU
        built = list(pool.map(lambda case: attempt(case, build), cases))
        made = [(case, facts) for case, facts in zip(cases, built) if facts is not None]
        ready = [p for p in pool.map(lambda one: attempt(one[0], loaded, one[1]), made) if p is not None]
    try:
        for prepared in ready:
            measure(prepared, options, results)
    finally:
        for prepared in ready:
            for found in prepared.contenders:
                found.close()


def loaded(case: Case, built: Mapping[str, Any], options: argparse.Namespace, results: Results) -> Prepared:
    """Every contender, and what is right."""
    np.savez(inputs_of(case, options), **case.inputs())
    reference = expected(case, exported(case.model, options), options.out)
    names = ("burnish", *filter(None, options.peers.split(",")))
    return Prepared(case, built.get("floor"), [contender(name, case, options) for name in names], reference)


def measure(prepared: Prepared, options: argparse.Namespace, results: Results) -> None:
    """The answers, the times in turns, and the table of launches if it is asked for."""
    case, contenders = prepared.case, prepared.contenders
    for found in contenders:
        results.add(case, "answer", precision=options.precision, **checked(found, prepared.reference, case, options))
    times = measure_in_turns([c for c in contenders if not c.problem], options.rounds)
    for name, facts in times.items():
        results.add(case, "time", precision=options.precision, system=name, floor=prepared.floor, **facts)
    if options.layers and not contenders[0].problem:
        layers = contenders[0].ask({"layers": True})["layers"]
        results.add(case, "layers", precision=options.precision, layers=layers)
        print_layers(layers)


def plan_of(case: Case, options: argparse.Namespace) -> Path:
    return Path(options.out) / f"{case.name}-{options.precision}.plan"


def inputs_of(case: Case, options: argparse.Namespace) -> Path:
    return Path(options.out) / f"{case.name}-inputs.npz"


def exported(model: str, options: argparse.Namespace) -> Path:
    """The ONNX file, exported by the script if it is not there."""
    path = Path(options.models) / f"{model}.onnx"
    with EXPORTING:
        if not path.exists() and options.script is not None:
            options.models.mkdir(parents=True, exist_ok=True)
            maker = [sys.executable, str(HERE / "gpu_models.py"), str(options.script), str(options.models), model]
            subprocess.run(maker, check=True)
    return path


def build(case: Case, options: argparse.Namespace, results: Results) -> dict[str, Any]:
    """A plan, built in a process of its own; what it says of it."""
    spec = {
        "model": str(exported(case.model, options)),
        "plan": str(plan_of(case, options)),
        "shapes": case.shapes,
        "target": options.target,
        "precision": options.precision,
        "cache": str(options.cache) if options.cache and (options.cache.exists() or options.opt_level) else "",
        "opt_level": options.opt_level,
        "tune_budget": options.tune_budget,
    }
    log = options.out / f"{case.name}-build.log"
    with log.open("w", encoding="utf-8") as file:
        command = [sys.executable, str(HERE / "gpu_build.py"), json.dumps(spec)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=file, text=True, env=environment())
    if done.returncode != 0:
        raise RuntimeError(f"the build failed: {log.read_text(encoding='utf-8')[-1500:]}")
    built = dict(json.loads(done.stdout.splitlines()[-1]))
    results.add(case, "build", precision=options.precision, **built)
    return built


def contender(name: str, case: Case, options: argparse.Namespace) -> Process:
    """A system in a process of its own, loaded. Torch is asked about full sequences alone: it gets no mask."""
    masks = case.inputs().get("attention_mask")
    rows = [n for n in case.checked_rows if name == "burnish" or masks is None or bool(masks[n].all())]
    spec = {
        "system": name,
        "plan": str(plan_of(case, options)),
        "inputs": str(inputs_of(case, options)),
        "device": options.device,
        "precision": options.precision,
        "model": case.model,
        "script": str(options.script or ""),
        "rows": rows,
    }
    caches = {f"{tool}_CACHE_DIR": str(options.out.resolve() / tool.lower()) for tool in ("TORCHINDUCTOR", "TRITON")}
    if options.ahead > 1:  # side by side, a core each
        caches |= {"TORCHINDUCTOR_COMPILE_THREADS": "2", "OMP_NUM_THREADS": "2"}
    return Process(name, [sys.executable, str(HERE / "gpu_contender.py")], spec, environment() | caches)


def expected(case: Case, model: Path, folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """ONNX Runtime's answers in f32 on the CPU for the checked rows; kept, since they take a while."""
    path = folder / f"{case.name}-expected.npz"
    if not path.exists():
        import onnxruntime

        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        accepted = {i.name for i in session.get_inputs()}
        feeds = {n: array[case.checked_rows] for n, array in case.inputs().items() if n in accepted}
        np.savez(path, **dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds))))
    with np.load(path) as found:
        return dict(found)


def checked(found: Process, reference: Mapping[str, np.ndarray[Any, Any]], case: Case, options: Any) -> dict[str, Any]:
    """The largest difference relative to the largest value, over the outputs; a wrong contender is not measured."""
    if found.problem:
        return {"system": found.name, "problem": found.problem}
    path = options.out / f"{case.name}-answers-{found.name}.npz"
    answer = found.ask({"outputs": str(path)})
    if "problem" in answer:
        found.problem = answer["problem"]
        return {"system": found.name, "problem": found.problem}
    places = [case.checked_rows.index(n) for n in found.spec["rows"]]
    with np.load(path) as outputs:
        errors = [relative_error(outputs[name], array[places]) for name, array in reference.items()]
    is_right = max(errors) <= TOLERANCE[options.precision]
    if not is_right:
        found.problem = f"wrong answers: {max(errors):.2e} of the largest value"
    return {"system": found.name, "error": max(errors), "is_right": is_right, "load_ms": found.load_ms}


def relative_error(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> float:
    """max |found - wanted| / max |wanted|; infinite where something is not finite or has another shape."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-12))


def environment() -> dict[str, str]:
    """Burnish is importable from the repository that this script lies in."""
    places = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


if __name__ == "__main__":
    main(sys.argv[1:])
