"""Search: for every task of a program that the timing cache does not know, time the cost model's best few schedules.

The tasks that take longest come first, so a budget is spent where it matters. Measurements go into the cache at once. A
task that was not reached keeps the cost model's schedule, and a later build continues from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from burnish.errors import BurnishError
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Program
from burnish.kernels.usual_size import usual_size
from burnish.kernels.work import bytes_touched, flops
from burnish.target import Target
from burnish.tune.ahead import CompileAhead
from burnish.tune.cache import TimingCache
from burnish.tune.candidates import candidates
from burnish.tune.entry import Entry
from burnish.tune.fill_inputs import Contents
from burnish.tune.look_up import Choice, key_of, look_up, schedules_of
from burnish.tune.measure import Measure
from burnish.tune.run_heats import LOST, run_heats
from burnish.tune.task import Task
from burnish.tune.trial import make_trial

WEIGHED_FLOP_PER_BYTE = 10  # roughly, on any device: it only decides which task is tuned first
Explain = Callable[[str], None]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Search:
    """How to search. `deadline`: when to stop, by `clock`. `saved` is called after each task with the cache.

    contents: the data in the trials' tensors, for all tasks
    """

    measure: Measure
    level: int = 3
    deadline: float = float("inf")
    clock: Callable[[], float] = time.monotonic
    explain: Explain = lambda line: None
    progress: Progress = lambda what, done, total: None
    saved: Callable[[Entry], None] = lambda entry: None
    contents: Contents = field(default_factory=Contents)


def tune(program: Program, target: Target, device: str, cache: TimingCache, search: Search) -> Choice:
    """The cache's tactic, or else the fastest of those that were timed, for every task; the cache grows.

    device: the cache's name for the device that `search.measure` uses
    Ctrl-C: ends the search, not the build: what was measured is kept, the cost model decides the rest
    """
    found = look_up(program, target, cache, device)
    waiting = sorted(found.missing, key=_weight, reverse=True)
    sizes = program.sizes
    start, total = search.clock(), len(waiting)
    try:
        with CompileAhead(waiting, sizes, target, lambda t: _offered(t, target, search), search.explain) as ahead:
            for number, task in enumerate(waiting):
                if search.clock() >= search.deadline:
                    found.notes.append(f"{target}: the time for tuning ran out; {_left(found.missing)}")
                    break
                search.progress(f"tune {task.summary}", number, total)
                ahead.reach(number)
                entry = _tune_task(program, task, target, device, search, found)
                found.missing.remove(task)
                if entry is not None:
                    cache.replace(entry)
                    search.saved(entry)
                    left = (search.clock() - start) / (number + 1) * (total - number - 1)
                    search.explain(f"tuned {number + 1} of {total}: {_line(entry)}; {left:.0f} s to go")
    except KeyboardInterrupt:
        rest = _left(found.missing)
        found.notes.append(f"{target}: tuning was interrupted; {rest}; the build goes on, Ctrl-C once more ends it")
    except BurnishError as error:
        if error.code != LOST:
            raise
        lost = f"the device was lost while {task.summary} ({task.digest[:12]}) was timed"
        found.notes.append(f"{target}: {lost}; {_left(found.missing)}")
    return found


def _offered(task: Task, target: Target, search: Search) -> list[Schedule]:
    return candidates(list(schedules_of(task, target).values()), search.level)


def _tune_task(
    program: Program, task: Task, target: Target, device: str, search: Search, found: Choice
) -> Entry | None:
    """Time the task's candidates; None, and a note, if nothing can be timed."""
    try:
        trial = make_trial(program, task, target, search.contents)
        winner = run_heats(trial, _offered(task, target, search), target, search.measure, found.notes.append)
    except BurnishError as error:
        if error.code == LOST:
            raise
        found.notes.append(f"{target}: {task.summary} cannot be timed, the cost model chose: {error.what}")
        return None
    found.schedules[task.kernel.key] = winner.schedule
    time_ns = max(1, round(winner.timing.ns))
    return Entry(key_of(task, target, device), task.summary, str(winner.schedule), time_ns, winner.candidates)


def _weight(task: Task) -> float:
    """A rough estimate of the time of all its launches, in any unit."""
    work = flops(task.kernel) + bytes_touched(task.kernel) * WEIGHED_FLOP_PER_BYTE
    return float(len(task.launches) * usual_size(work, dict(task.sizes)))


def _line(entry: Entry) -> str:
    return f"{entry.work}: {entry.time_ns / 1e3:.1f} us, best of {entry.candidates} [{entry.tactic}]"


def _left(missing: list[Task]) -> str:
    return f"the cost model chose for {len(missing)} task{'s' * (len(missing) != 1)}"
