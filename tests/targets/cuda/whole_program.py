"""A whole program for a GPU, launch by launch in Triton's interpreter: what a plan would do, without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.building.analyze import analyze
from burnish.dims import evaluate
from burnish.index_check import IndexCheck
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Branch, Kernel, Launch, Program, Step
from burnish.precision.precision import parse_precision
from burnish.requirement import Requirement
from burnish.target import Target
from burnish.targets import compiler_of
from burnish.targets.constants import Constants
from burnish.targets.cuda.templates import emit, schedules_of, template_of
from tests.targets.cuda.interpret import interpret

Array = np.ndarray[Any, Any]
Choose = Callable[[Kernel, Sequence[Schedule]], Schedule]
H200 = Target("cuda", "sm_90a")


def favourite(kernel: Kernel, found: Sequence[Schedule]) -> Schedule:
    """What a build without a timing cache takes."""
    del kernel
    return found[0]


def run_model(
    model: Any,
    feeds: Mapping[str, Array],
    *,
    precision: str = "fp32",
    target: Target = H200,
    choose: Choose = favourite,
    **options: Any,
) -> dict[str, Array]:
    """Outputs by name. options: `profile` of `analyze`; without one, the shapes are those of the feeds."""
    if "profile" not in options:
        options["shapes"] = {name: array.shape for name, array in feeds.items()}
    abilities = compiler_of(target).abilities
    found = analyze(model, abilities=abilities, precision=parse_precision(precision, None), **options)
    assert found.fallbacks == ()
    return run_program(found.program, feeds, target, choose)


def run_program(program: Program, feeds: Mapping[str, Array], target: Target, choose: Choose) -> dict[str, Array]:
    """Every launch, in order, on numpy memory that holds no numbers."""
    sizes = {
        str(dim): feeds[spec.name].shape[axis]
        for spec in program.inputs
        for axis, dim in enumerate(spec.shape)
        if str(dim) in program.symbols
    }
    memory = {
        s.number: np.full(max(evaluate(s.size_bytes, sizes), 1), 0xFF, np.uint8)
        for s in program.storages
        if s.kind != "constant"
    }
    for spec in program.inputs:
        memory[spec.storage] = np.ascontiguousarray(feeds[spec.name]).reshape(-1).view(np.uint8).copy()
    constants = Constants(program, template_of)
    usual = program.sizes

    def run(steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Branch):
                constants.use_condition(step)
                provide()
                run(step.then if memory[step.condition.storage][0] else step.otherwise)
                continue
            if isinstance(step, Requirement | IndexCheck):  # asked by the runtime, before and after a run
                continue
            assert isinstance(step, Launch), step
            schedule = choose(step.kernel, schedules_of(step.kernel, target, usual))
            bindings = constants.bind(step, schedule)
            provide()
            slots = step.kernel.slots
            arrays = {n: memory[b.storage].view(s.dtype.numpy) for n, (s, b) in enumerate(zip(slots, bindings))}
            offsets = {n: evaluate(b.offset, sizes) for n, b in enumerate(bindings)}
            interpret(emit(step.kernel, schedule, target), arrays, sizes, offsets, set(step.writes))

    def provide() -> None:
        for number, spec in constants.storages().items():
            memory.setdefault(number, np.frombuffer(constants.blobs[spec.blob], np.uint8).copy())

    run(program.steps)
    constants.keep_outputs()
    return {
        spec.name: memory[spec.storage].view(spec.dtype.numpy).reshape([evaluate(n, sizes) for n in spec.shape])
        for spec in program.outputs
    }
