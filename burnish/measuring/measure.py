"""Interleaved blocks: every contender is asked in turn, so a slow moment of the machine hits all alike.

Each lives in its own process: no one's spinning threads take another's core, and memory is its own. The first round
warms up and is not counted. A block is about `block_ms` of work, at least 3 runs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import EnvironmentProblem, UserError
from burnish.measuring.arrays_file import save_arrays
from burnish.measuring.process import Measured
from burnish.measuring.report import BenchReport
from burnish.measuring.systems import PEERS
from burnish.plan import Plan, read
from burnish.plan.sample_inputs import sample_inputs

Advance = Callable[[str, int, int], None]
PAUSE_S = 0.05  # between blocks, so that the one before has gone to sleep
MOST_RUNS = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """against: names of systems.PEERS. threads: 0 = all cores. device: of the plan. runs: a block, 0 = `block_ms`."""

    against: tuple[str, ...] = ()
    threads: int = 0
    device: str = ""
    rounds: int = 10
    runs: int = 0
    block_ms: float = 200.0
    layers: bool = False
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    seed: int = 0


def bench(
    plan: str | Path | Plan,
    model: str | Path | None = None,
    options: Options | None = None,
    *,
    inputs: Mapping[str, np.ndarray[Any, Any]] | None = None,
    progress: Advance | None = None,
    **more: Any,
) -> BenchReport:
    """Measure a plan, and the peers of `options.against` on the ONNX `model` it was built from.

    more:   fields of Options, for short calls: bench("m.plan", against=("onnxruntime",), model="m.onnx", threads=2)
    raises: E620 for a peer that is not known or has no model to run; E810 if Burnish's own process ends, or fails by no
            error of Burnish's; such errors (E501, say) are raised as they are
    """
    options = options or Options(**more)
    _check(options, model)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = Path(plan) if isinstance(plan, str | Path) else _saved(plan, folder)
        manifest = (plan if isinstance(plan, Plan) else read(path)).manifest
        arrays = dict(inputs or sample_inputs(manifest, options.shapes, options.seed))
        save_arrays(folder / "inputs.npz", arrays)
        contenders = []
        for name in ("burnish", *options.against):
            file = path if name == "burnish" else Path(str(model))
            found = Measured(name, file, folder / "inputs.npz", options.threads, options.device)
            stack.callback(found.close)
            contenders.append(found)
        if contenders[0].error is not None:
            raise contenders[0].error
        if contenders[0].problem:
            raise _cannot_run(contenders[0].problem)
        measure([c for c in contenders if not c.problem], options, progress or (lambda what, done, total: None))
        layers = tuple(contenders[0].layers()) if options.layers else ()
        runs = block_runs(contenders[0].first_run_ms, options.block_ms)
        launches_ms = contenders[0].launches_ms(options.runs or runs) if options.layers else None
        ours, *peers = (contender.finish() for contender in contenders)
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    return BenchReport(ours, tuple(peers), layers, launches_ms, options.threads, shapes)


def measure(contenders: Sequence[Measured], options: Options, progress: Advance) -> None:
    """Rounds of blocks; the times of all but the first round are kept in each contender."""
    runs = {c.name: options.runs or block_runs(c.first_run_ms, options.block_ms) for c in contenders}
    for number in range(options.rounds + 1):
        for place, contender in enumerate(contenders):
            progress(
                f"measuring {contender.name}", number * len(contenders) + place, (options.rounds + 1) * len(contenders)
            )
            time.sleep(PAUSE_S)
            times = contender.block(runs[contender.name])
            if number:
                contender.times_ms += times
            elif times and not options.runs:  # the first run was slow; the first block knows better
                runs[contender.name] = block_runs(min(times), options.block_ms)


def block_runs(run_ms: float, block_ms: float) -> int:
    """Runs that take about block_ms: 3 to 1000."""
    return int(min(MOST_RUNS, max(3, block_ms / max(run_ms, 1e-3))))


def _check(options: Options, model: str | Path | None) -> None:
    for name in options.against:
        if name not in PEERS:
            raise UserError("E620", f"'{name}' is not a peer Burnish can measure", hint=f"peers are {', '.join(PEERS)}")
    if options.against and model is None:
        raise UserError(
            "E620", "the peers need the ONNX model", why="a plan holds it compiled only", hint="add --model MODEL.onnx"
        )


def _saved(plan: Plan, folder: Path) -> Path:
    plan.save(folder / "bench.plan")
    return folder / "bench.plan"


def _cannot_run(problem: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "E810",
        "the plan does not run in a process of its own",
        why=problem,
        hint="try burnish run PLAN, which says more",
    )
