"""What it gives on this machine to leave zeros out of weights: products of few rows, timed with and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from burnish.building.analyze import analyze
from burnish.devices.cpu.processor import best_target
from burnish.devices.this_machine import device_for
from burnish.kernels.mark_zeros import LEAST_BYTES, SHARES, constant_bytes, mark_zeros
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction, Program
from burnish.kernels.usual_size import usual_count
from burnish.targets import compiler_of
from burnish.targets.cpu.contraction.sparse import is_for
from burnish.targets.cpu.register_tile.expand import FORM
from burnish.tune.measure import make_measure
from burnish.tune.task import Task, tasks_of
from burnish.tune.trial import make_trial


@dataclass(frozen=True)
class Gain:
    """Equal products: their nodes, rows, the share of zeros, and microseconds with and without them.

    taken: does a build leave them out?
    """

    layers: tuple[str, ...]
    rows: int
    zeros: float
    dense_us: float
    sparse_us: float
    taken: bool


@dataclass(frozen=True)
class Gains:
    """target: this machine's; is_able: can it? least_bytes: from how many constant_bytes on builds do it."""

    target: str
    is_able: bool
    constant_bytes: int
    least_bytes: int
    layers: tuple[Gain, ...]


def time_products(model: Any, *, shapes: Mapping[str, Any] | None = None, threads: int | None = None) -> Gains:
    """Time each product of few rows that has zeros, its weights read from memory.

    model, shapes: as for `build`; threads: all cores if left out
    cost:          about a second for each kind of product
    """
    target = best_target()
    abilities = compiler_of(target).abilities
    program = analyze(model, shapes=shapes, abilities=replace(abilities, sparse_weights=False)).program
    size = constant_bytes(program)
    if not is_for(target):
        return Gains(str(target), False, size, LEAST_BYTES, ())
    measure = make_measure(device_for(target), threads)
    marked, gains = mark_zeros(program, 0), list[Gain]()
    for task in tasks_of(marked):
        pair = _schedules(task, marked)
        if pair is None:
            continue
        trial = make_trial(marked, task, target)
        dense, sparse = measure(trial, [trial.plan(schedule, target) for schedule in pair])
        taken = size >= LEAST_BYTES and _offered(task, marked)[0] == pair[1]
        zeros = task.kernel.slots[1].zeros / SHARES
        gains.append(Gain(_names(task), _rows(task, marked), zeros, dense.ns / 1e3, sparse.ns / 1e3, taken))
    return Gains(str(target), True, size, LEAST_BYTES, tuple(gains))


def _offered(task: Task, program: Program) -> list[Schedule]:
    return compiler_of(best_target()).schedules(task.kernel, program.sizes)


def _schedules(task: Task, program: Program) -> tuple[Schedule, Schedule] | None:
    """The best schedule with zeros and the best one without; None if the kernel has no weights to leave out."""
    if not isinstance(task.kernel, Contraction) or not task.kernel.slots[1].zeros:
        return None
    offered = _offered(task, program)
    sparse = next((s for s in offered if s["form"] == FORM), None)
    return None if sparse is None else (next(s for s in offered if s["form"] != FORM), sparse)


def _names(task: Task) -> tuple[str, ...]:
    return tuple(launch.nodes[0] for launch in task.launches)


def _rows(task: Task, program: Program) -> int:
    assert isinstance(task.kernel, Contraction)
    return usual_count((axis.extent for axis in task.kernel.pixels), program.sizes)
