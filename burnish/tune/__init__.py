"""Choose a tactic for each task. Tactics are measured once, kept in a text file, and reused by every later build."""

from __future__ import annotations

from burnish.tune.cache import Conflict, TimingCache
from burnish.tune.entry import Entry, Key
from burnish.tune.look_up import Choice, choose
from burnish.tune.measure import Timing, make_measure
from burnish.tune.search import Search, tune
from burnish.tune.task import Task, tasks_of
from burnish.tune.tuning import Tuner, TuningOptions

__all__ = [
    "Choice", "Conflict", "Entry", "Key", "Search", "Task", "Timing", "TimingCache", "Tuner", "TuningOptions", "choose",
    "make_measure", "tasks_of", "tune",
]  # fmt: skip
