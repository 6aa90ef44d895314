"""Choose a build's tactics from its timing cache, by measuring here, or by the cost model, as its options say.

locked                    every task from the cache, or E330; nothing is measured
level 0 (the default)     from the cache, else by the cost model; no hardware is looked at
level 1 to 5              from the cache, else measured, if this machine runs the target; the cache's file grows
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import TypedDict, Unpack

from burnish.arguments import MOST, expect, expect_function, flag, number, whole_number
from burnish.devices.this_machine import device_for, label
from burnish.errors import UserError
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Program
from burnish.target import Target
from burnish.tune.cache import TimingCache
from burnish.tune.candidates import COUNTS
from burnish.tune.device_lock import turn_to_change
from burnish.tune.entry import Entry
from burnish.tune.look_up import Choice, choose
from burnish.tune.measure import Measure, make_measure
from burnish.tune.search import Explain, Progress, Search, tune

SAVE_EVERY_S = 5.0
HIGHEST_LEVEL = len(COUNTS) - 1


class TuningOptions(TypedDict, total=False):
    """A build's options for its tactics.

    timing_cache  measured tactics: a TimingCache, which grows, or a file, which need not exist if tactics are measured
    locked        every task must be in it
    opt_level     0: tactics from the cache, else from the cost model; 1 to 5: missing tasks are measured here and added
                  to the cache; higher levels try more candidates
    tune_budget   seconds for measuring, in total
    tuned_for     the device whose tactics to use, if the cache has several for a target
    note_tuning   gets a line for every task that is not in the cache and could not be measured
    """

    timing_cache: str | os.PathLike[str] | TimingCache | None
    locked: bool
    opt_level: int
    tune_budget: float | None
    tuned_for: str
    note_tuning: Explain | None


@dataclass
class Tuner:
    """All targets of one build share the cache and the budget. Tests give `measure`, `device` and `clock`."""

    cache: TimingCache
    path: Path | None = None
    locked: bool = False
    level: int = 0
    tuned_for: str = ""
    budget_s: float = float("inf")
    measure: Callable[[Target], Measure] | None = None
    device: str | None = None
    clock: Callable[[], float] = time.monotonic
    explain: Explain = lambda line: None
    note: Explain = lambda line: None
    progress: Progress = lambda what, done, total: None
    _fresh: dict[str, Entry] = field(default_factory=dict)
    _saved_at: float = 0.0
    _started_at: float | None = None

    @staticmethod
    def of(explain: Explain, progress: Progress | None = None, **options: Unpack[TuningOptions]) -> Tuner:
        """explain: gets a line for each task that is measured; notes too, if the options do not say where they go

        raises: E331, E332 for the cache's file; E335 for an invalid level or budget; E605
        """
        level, locked = options.get("opt_level", 0), options.get("locked", False)
        budget_s, source = options.get("tune_budget"), options.get("timing_cache")
        _check(level, budget_s)
        locked = flag("locked", locked)
        expect("tuned_for", options.get("tuned_for", ""), str, "a device's name in the timing cache")
        expect("timing_cache", source, (TimingCache, str, os.PathLike, NoneType), "a path or a TimingCache")
        if options.get("note_tuning") is not None:
            expect_function("note_tuning", options.get("note_tuning"), "note_tuning=print")
        made = Tuner(TimingCache(), None, locked, level, options.get("tuned_for", ""))
        if isinstance(source, TimingCache):
            made.cache = source
        elif source is not None:
            made.path = Path(source)
            made.cache = TimingCache.load(source, must_exist=locked or not level)
        made.budget_s = float("inf") if budget_s is None else budget_s
        made.explain, made.note = explain, options.get("note_tuning") or explain
        made.progress = progress or made.progress
        return made

    def choose(self, program: Program, target: Target) -> dict[str, Schedule]:
        """Tactics for one target's program, by kernel key. E330, E333; E403 if the cache's file cannot be written."""
        found = self._choose(program, target)
        for note in found.notes:
            self.note(note)
        return found.schedules

    def _choose(self, program: Program, target: Target) -> Choice:
        if self.locked or not self.level:
            return choose(program, target, self.cache, device=self.tuned_for, locked=self.locked)
        here = self.device or label(target)
        if here is None or (self.tuned_for and self.tuned_for != here):
            found = choose(program, target, self.cache, device=self.tuned_for)
            if found.missing:
                found.notes.append(f"{target}: nothing was measured: this machine is no {self.tuned_for or target}")
            return found
        measure = self.measure(target) if self.measure else make_measure(device_for(target), explain=self.explain)
        deadline = self._start() + self.budget_s
        search = Search(measure, self.level, deadline, self.clock, self.explain, self.progress, self._keep)
        try:
            return tune(program, target, here, self.cache, search)
        finally:
            self.save()

    def _start(self) -> float:
        """When the first target's tuning began."""
        self._started_at = self.clock() if self._started_at is None else self._started_at
        return self._started_at

    def save(self) -> None:
        """Write the measurements into the file, and keep entries that other builds have added since it was read."""
        if self.path is None or not self._fresh:
            return
        with turn_to_change(self.path):
            present = TimingCache.load(self.path, must_exist=False)
            for entry in self._fresh.values():
                present.replace(entry)
            present.save(self.path)
        self._fresh, self._saved_at = {}, self.clock()

    def _keep(self, entry: Entry) -> None:
        self._fresh[str(entry.key)] = entry
        if self.clock() > self._saved_at + SAVE_EVERY_S:
            self.save()


def _check(level: int, budget_s: float | None) -> None:
    whole_number("opt_level", level, least=-MOST)
    if budget_s is not None:
        number("tune_budget", budget_s, least=-math.inf)
    what = f"tuning at level {level}" + ("" if budget_s is None else f" for {budget_s} s") + " is not possible"
    if level not in range(HIGHEST_LEVEL + 1) or not (budget_s is None or budget_s >= 0):
        raise UserError(
            "E335",
            what,
            why=f"levels are 0 (the cost model alone) to {HIGHEST_LEVEL}; a budget is a number of seconds",
            hint="--opt-level 3 --tune-budget 300",
        )
    if not level and budget_s is not None:
        raise UserError(
            "E335",
            what,
            why="at level 0 the cost model decides alone: there is nothing to spend a budget on",
            hint="opt_level=3, or no tune_budget",
        )
