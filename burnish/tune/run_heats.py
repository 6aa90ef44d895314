"""Measure one task's candidates in heats. The plans of a heat fit into memory together; its winner joins the next heat.

A schedule is left out, with a note, if the target's compiler refuses it, or if its answer differs from the answer of
the cost model's best schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from burnish.devices.cpu.processor import core_count
from burnish.errors import BurnishError, InternalError
from burnish.kernels.schedule import Schedule
from burnish.plan.plan import Plan
from burnish.target import Target
from burnish.tune.measure import Measure, Timing, fastest
from burnish.tune.task import Task
from burnish.tune.trial import Trial

AT_ONCE = 16
LOST = "E524"  # the device: nothing more can be measured in this process
PACKERS = 8  # threads that make candidates' plans


@dataclass(frozen=True, slots=True)
class Winner:
    """The fastest schedule, and how many were timed."""

    schedule: Schedule
    timing: Timing
    candidates: int


def run_heats(
    trial: Trial, offered: Sequence[Schedule], target: Target, measure: Measure, note: Callable[[str], None]
) -> Winner:
    """offered: the cost model's best first. Raises the compiler's error if it refuses all of them."""
    best: dict[Schedule, Plan] = {}
    timing, count = Timing(float("inf")), 0
    problems: list[BurnishError] = []
    for start in range(0, len(offered), AT_ONCE):
        made = _compile(trial, offered[start : start + AT_ONCE], target)
        for schedule, answer in made.items():
            if isinstance(answer, BurnishError):
                problems.append(answer)
                note(f"{target}: {trial.task.summary} cannot be compiled as {schedule}: {answer.what}")
        plans = best | {s: p for s, p in made.items() if isinstance(p, Plan)}
        if len(plans) == len(best):
            continue
        try:
            timings = list(measure(trial, list(plans.values())))
        except BurnishError as error:
            if error.code == LOST:
                raise
            problems.append(error)
            plans = _runnable(trial, plans, measure, note)
            if not plans:
                continue
            timings = list(measure(trial, list(plans.values())))
        for schedule, found in zip(plans, timings):
            if found.apart > 1:
                note(str(_disagreement(trial.task, schedule, found, next(iter(plans)))).partition("\n\n")[0])
        number, count = fastest(timings), count + len(plans) - len(best)
        best, timing = dict([list(plans.items())[number]]), timings[number]
    if not best:
        raise problems[0]
    return Winner(next(iter(best)), timing, count)


def _runnable(
    trial: Trial, plans: Mapping[Schedule, Plan], measure: Measure, note: Callable[[str], None]
) -> dict[Schedule, Plan]:
    """The candidates that run alone: one that the device refuses must not stop the measuring of the others."""
    found: dict[Schedule, Plan] = {}
    for schedule, plan in plans.items():
        try:
            measure(trial, [plan])
            found[schedule] = plan
        except BurnishError as error:
            if error.code == LOST:
                raise
            note(f"{trial.task.summary} does not run as {schedule}: {error.what}")
    return found


def _compile(trial: Trial, offered: Sequence[Schedule], target: Target) -> dict[Schedule, Plan | BurnishError]:
    """A plan for each, or the reason why there is none. Weights are packed and hashed in parallel."""

    def attempt(schedule: Schedule) -> Plan | BurnishError:
        try:
            return trial.plan(schedule, target)
        except BurnishError as error:
            return error

    with ThreadPoolExecutor(min(PACKERS, core_count())) as pool:
        return dict(zip(offered, pool.map(attempt, offered)))


def _disagreement(task: Task, schedule: Schedule, timing: Timing, reference: Schedule) -> InternalError:
    return InternalError(
        "E911",
        f"two schedules of one kernel disagree by {timing.apart:.3g} tolerances; the tuner left one out",
        where=f"{task.summary} ({task.digest[:12]}), nodes {', '.join(task.nodes[:3])}",
        why=f"[{schedule}] differs from [{reference}]",
    )
