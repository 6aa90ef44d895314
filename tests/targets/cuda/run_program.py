"""Run a lowered program with its Loops kernels in Triton's interpreter, and everything else by numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from burnish.building.analyze import analyze
from burnish.dims import evaluate
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Launch, Loops
from burnish.target import Target, parse_target
from burnish.targets import compiler_of
from burnish.targets.cuda.loops import template as loops
from tests.lower.run_program import Run
from tests.targets.cuda.interpret import interpret

HOPPER = parse_target("cuda:sm_90a")
Pick = Callable[[Sequence[Schedule]], Schedule]


class InterpretedRun(Run):
    """`pick` chooses among a kernel's schedules; `loops_run` counts the kernels that were interpreted."""

    def __init__(
        self, program: object, inputs: Mapping[str, np.ndarray], symbols: Mapping[str, int], pick: Pick, target: Target
    ) -> None:
        super().__init__(program, inputs, symbols)
        self.pick, self.target, self.loops_run = pick, target, 0

    def launch(self, step: Launch) -> None:
        if not isinstance(step.kernel, Loops):
            super().launch(step)
            return
        self.loops_run += 1
        kernel = step.kernel
        schedule = self.pick(loops.schedules(kernel, self.target, self.symbols))
        source = loops.emit(kernel, schedule, self.target)
        if any(evaluate(extent, self.symbols) == 0 for extent in source.grid):
            return
        offsets = {n: evaluate(b.offset, self.symbols) for n, b in enumerate(step.bindings)}
        arrays = {}
        for n, (slot, binding) in enumerate(zip(kernel.slots, step.bindings)):
            raw = self.storage(binding.storage)
            size = slot.dtype.size_bytes
            arrays[n] = raw[: raw.size // size * size].view(slot.dtype.numpy)
        after = {n: a.copy() for n, a in arrays.items()}
        interpret(source, after, self.symbols, offsets, set(step.writes))
        for n in step.writes:  # slots may share a storage: only the bytes that changed
            old, new = arrays[n].view(np.uint8), after[n].view(np.uint8)
            old[old != new] = new[old != new]


def run_model(
    model: object,
    inputs: Mapping[str, np.ndarray],
    pick: Pick = lambda found: found[0],
    target: Target = HOPPER,
    **analysis: object,
) -> tuple[dict[str, np.ndarray], int]:
    """The outputs, and how many Loops kernels made them; dynamic dims by the inputs' shapes."""
    found = analyze(model, abilities=compiler_of(target).abilities, **analysis)
    symbols = found.program.sizes
    for ref in found.program.inputs:
        symbols |= {str(n): size for n, size in zip(ref.shape, inputs[ref.name].shape) if str(n) in symbols}
    run = InterpretedRun(found.program, inputs, symbols, pick, target)
    return run.run(), run.loops_run
