"""Measure in interleaved blocks: contenders take turns, so a slow moment of the machine affects all of them.

Each contender has its own process and memory, and no contender's spinning threads occupy another one's core. The first
round warms up and is not counted. A block is about `block_ms` of work, at least 3 runs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from burnish.arguments import expect, expect_function, expect_mapping, flag, number, whole_number
from burnish.errors import EnvironmentProblem, UserError
from burnish.measuring.arrays_file import save_arrays
from burnish.measuring.process import Measured
from burnish.measuring.report import BenchReport
from burnish.measuring.systems import PEERS
from burnish.plan import Manifest, Plan, read
from burnish.plan.sample_inputs import sample_inputs
from burnish.runtime.arrays import as_array, refuse_names

Array = np.ndarray[Any, Any]
Advance = Callable[[str, int, int], None]
PAUSE_S = 0.05  # pause between blocks, so that the previous contender's threads sleep
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
    shapes: Mapping[str, Sequence[int] | str] = field(default_factory=dict)
    seed: int = 0


def bench(
    plan: str | os.PathLike[str] | Plan,
    model: str | os.PathLike[str] | None = None,
    options: Options | None = None,
    *,
    inputs: Mapping[str, Array] | None = None,
    progress: Advance | None = None,
    **more: Any,
) -> BenchReport:
    """Measure a plan, and the peers of `options.against` on the ONNX `model` it was built from.

    more:   fields of Options, for short calls: bench("m.plan", against=("onnxruntime",), model="m.onnx", threads=2)
    raises: E605 for a value of a wrong kind; E502, E507 for inputs; E620 for an unknown peer, or a peer without a model
            to run; E810 if Burnish's own process ends, or fails with another error than Burnish's; Burnish's errors
            (E501, for example) are raised unchanged
    """
    options = options or Options(**more)
    _check_kinds(plan, model, options, inputs, progress)
    _check(options, model)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = _saved(plan, folder) if isinstance(plan, Plan) else Path(plan)
        manifest = (plan if isinstance(plan, Plan) else read(path)).manifest
        arrays = _accepted(inputs, manifest) if inputs else sample_inputs(manifest, options.shapes, options.seed)
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
    for turn in range(options.rounds + 1):
        for place, contender in enumerate(contenders):
            progress(
                f"measuring {contender.name}", turn * len(contenders) + place, (options.rounds + 1) * len(contenders)
            )
            time.sleep(PAUSE_S)
            times = contender.block(runs[contender.name])
            if turn:
                contender.times_ms += times
            elif times and not options.runs:  # the first run was slow; the first block gives a better estimate
                runs[contender.name] = block_runs(min(times), options.block_ms)


def block_runs(run_ms: float, block_ms: float) -> int:
    """Runs that take about block_ms: 3 to 1000."""
    return int(min(MOST_RUNS, max(3, block_ms / max(run_ms, 1e-3))))


def _check_kinds(plan: object, model: object, options: Options, inputs: object, progress: object) -> None:
    """Check the kinds of all values (E605) before anything starts."""
    expect("the plan", plan, (str, os.PathLike, Plan), "a path or a Plan")
    expect("the model", model, (str, os.PathLike, NoneType), "a path")
    expect("options", options, Options, "measuring.Options")
    expect("against", options.against, (tuple, list), 'names in a tuple, as in ("onnxruntime",)')
    expect("device", options.device, str, 'a name, as in "cuda:0"')
    for name, least in (("threads", 0), ("rounds", 1), ("runs", 0), ("seed", 0)):
        whole_number(name, getattr(options, name), least)
    number("block_ms", options.block_ms)
    flag("layers", options.layers)
    expect_mapping("shapes", options.shapes, '{"image": (1, 3, 224, 224)}')
    if inputs is not None:
        expect_mapping("inputs", inputs, '{"image": array}')
    if progress is not None:
        expect_function("progress", progress, "progress=print")


def _check(options: Options, model: str | os.PathLike[str] | None) -> None:
    for name in options.against:
        if name not in PEERS:
            raise UserError("E620", f"'{name}' is not a peer Burnish can measure", hint=f"peers are {', '.join(PEERS)}")
    if options.against and model is None:
        raise UserError(
            "E620", "the peers need the ONNX model", why="a plan holds it compiled only", hint="add --model MODEL.onnx"
        )


def _accepted(inputs: Mapping[str, Any], manifest: Manifest) -> dict[str, Array]:
    """The inputs as arrays. E502 for unknown names, E507 for values that are no arrays."""
    refuse_names(inputs, manifest.inputs, "input")
    return {t.name: as_array(inputs[t.name], t) for t in manifest.inputs}


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
