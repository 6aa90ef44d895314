"""A build's tactics: from its timing cache, by measuring here, or by the cost model, as the build was asked.

locked                    every task from the cache, or E330; nothing is measured
level 0 (the default)     from the cache, else by the cost model; no hardware is looked at
level 1 to 5              from the cache, else measured, if this machine runs the target; the cache's file grows
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from burnish.devices import Device
from burnish.errors import UserError
from burnish.lower.task import Program
from burnish.target import Target
from burnish.tune.cache import TimingCache
from burnish.tune.entry import Entry
from burnish.tune.hardware import device_name
from burnish.tune.look_up import Choice, choose
from burnish.tune.measure import Measure, make_measure
from burnish.tune.search import CANDIDATES, Explain, Progress, Search, tune

SAVE_EVERY_S = 5.0
HIGHEST_LEVEL = len(CANDIDATES) - 1
CacheSource = str | os.PathLike[str] | TimingCache | None


@dataclass
class Tuning:
    """All targets of one build share the cache and the budget. Tests give `measure`, `device` and `clock`."""

    cache: TimingCache
    path: Path | None = None
    locked: bool = False
    level: int = 0
    tuned_for: str = ""
    deadline: float = float("inf")
    measure: Callable[[Target], Measure] | None = None
    device: str | None = None
    clock: Callable[[], float] = time.monotonic
    explain: Explain = lambda line: None
    progress: Progress = lambda what, done, total: None
    _fresh: dict[str, Entry] = field(default_factory=dict)
    _saved_at: float = 0.0

    @staticmethod
    def of(
        timing_cache: CacheSource = None,
        *,
        locked: bool = False,
        level: int = 0,
        budget_s: float | None = None,
        tuned_for: str = "",
        explain: Explain | None = None,
        progress: Progress | None = None,
    ) -> Tuning:
        """timing_cache: a file, which need not exist if tactics are measured; or a cache, which grows in place.

        raises: E331, E332 for the file; E335 for a level or a budget that is none
        """
        if not 0 <= level <= HIGHEST_LEVEL or (budget_s is not None and not budget_s >= 0):
            raise UserError(
                "E335",
                f"optimization level {level} with {budget_s} s for tuning is not possible"
                if budget_s is not None
                else f"there is no optimization level {level}",
                why=f"levels are 0 (the cost model alone) to {HIGHEST_LEVEL}; a budget is a number of seconds",
                hint="--opt-level 3 --tune-budget 300",
            )
        measures = level > 0 and not locked
        is_cache = timing_cache is None or isinstance(timing_cache, TimingCache)
        path = None if is_cache else Path(timing_cache)  # type: ignore[arg-type]
        cache = timing_cache if isinstance(timing_cache, TimingCache) else TimingCache()
        if path is not None:
            cache = TimingCache.load(path, must_exist=not measures)
        end = float("inf") if budget_s is None else time.monotonic() + budget_s
        made = Tuning(cache, path, locked, level, tuned_for, end)
        made.explain, made.progress = explain or made.explain, progress or made.progress
        return made

    def choose(self, program: Program, target: Target) -> Choice:
        """Tactics for one target's program. E330, E333; E403 if the cache's file cannot be written."""
        if self.locked or not self.level:
            return choose(program, target, self.cache, device=self.tuned_for, locked=self.locked)
        here = self.device or device_name(target)
        if here is None or (self.tuned_for and self.tuned_for != here):
            found = choose(program, target, self.cache, device=self.tuned_for)
            if found.missing:
                found.notes.append(f"{target}: nothing was measured: this machine is no {self.tuned_for or target}")
            return found
        measure = self.measure(target) if self.measure else make_measure(_device(target))
        search = Search(measure, self.level, self.deadline, self.clock, self.explain, self.progress, self._keep)
        try:
            return tune(program, target, here, self.cache, search)
        finally:
            self.save()

    def save(self) -> None:
        """Write what was measured into the file, beside what others have written there since it was read."""
        if self.path is None or not self._fresh:
            return
        present = TimingCache.load(self.path, must_exist=False)
        for entry in self._fresh.values():
            present.replace(entry)
        present.save(self.path)
        self._fresh, self._saved_at = {}, self.clock()

    def _keep(self, entry: Entry) -> None:
        self._fresh[str(entry.key)] = entry
        if self.clock() > self._saved_at + SAVE_EVERY_S:
            self.save()


def _device(target: Target) -> Device:
    """The device of this machine that runs the target."""
    if target.kind == "cuda":
        from burnish.devices.cuda import Cuda

        return Cuda()
    from burnish.devices.cpu import Cpu

    return Cpu()
