"""Tactics from a timing cache, for builds without the hardware, or without the time to measure.

A task with one legal schedule needs no entry. An entry whose tactic the template no longer offers is a miss, and a note
says so. The order of a template's schedules is fixed, so the same cache gives the same choice in any process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from burnish.errors import UserError
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Program
from burnish.target import Target
from burnish.targets import compiler_of
from burnish.tune.cache import TimingCache
from burnish.tune.entry import Entry, Key
from burnish.tune.task import Task, tasks_of

SHOWN = 8  # missing tasks that a message names


@dataclass
class Choice:
    """schedules: by kernel key. missing: tasks with a choice but no entry. notes: messages for the user."""

    schedules: dict[str, Schedule] = field(default_factory=dict)
    missing: list[Task] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def choose(program: Program, target: Target, cache: TimingCache, *, device: str = "", locked: bool = False) -> Choice:
    """The cache's tactic for every task of the program that has one; the rest is left to the cost model.

    device: the device whose measurements to use. If it is empty, or known only for other targets: the only device that
            the cache knows for this target
    raises: E330 if `locked` and a task has no entry; E333 if the cache knows several devices and none of them is named
    """
    _check_known(device, cache)
    measured_on = device if device in cache.devices(str(target)) else only_device(cache, target)
    found = look_up(program, target, cache, measured_on)
    if locked and found.missing:
        raise _not_in_cache(found.missing, target, measured_on)
    if found.missing and len(cache):
        found.notes.append(f"{target}: {_tasks(len(found.missing))} not in the timing cache; the cost model chose")
    return found


def look_up(program: Program, target: Target, cache: TimingCache, device: str) -> Choice:
    """The cache's entries for the program's tasks. An entry whose tactic is no longer offered is a miss."""
    found = Choice()
    stale: list[Entry] = []
    for task in tasks_of(program):
        offered = schedules_of(task, target)
        entry = cache.get(key_of(task, target, device))
        if len(offered) < 2:
            continue
        if entry is not None and entry.tactic in offered:
            found.schedules[task.kernel.key] = offered[entry.tactic]
            continue
        found.missing.append(task)
        if entry is not None:
            stale.append(entry)
    if stale:
        what = f"the cached tactics of {len(stale)} tasks are" if len(stale) > 1 else "the cached tactic of 1 task is"
        found.notes.append(f"{target}: {what} no longer offered: {stale[0].work} [{stale[0].tactic}]")
    return found


def key_of(task: Task, target: Target, device: str) -> Key:
    """The task's key in the cache."""
    return Key(str(target), device, task.digest, task.sizes)


def schedules_of(task: Task, target: Target) -> dict[str, Schedule]:
    """The template's legal schedules by their text, the cost model's best first."""
    offered: Sequence[Schedule] = compiler_of(target).schedules(task.kernel, dict(task.sizes))
    return {str(s): s for s in offered}


def only_device(cache: TimingCache, target: Target) -> str:
    """The device that the cache's tactics for a target were measured on; "" if there are none. E333 if several."""
    known = cache.devices(str(target))
    if len(known) > 1:
        raise UserError(
            "E333",
            f"the timing cache has tactics for {target} from {len(known)} devices",
            why="; ".join(known),
            hint=f"say which one the plan is for: --tuned-for '{known[0]}'",
        )
    return known[0] if known else ""


def _check_known(device: str, cache: TimingCache) -> None:
    known = sorted({e.key.device for e in cache})
    if device and known and device not in known:
        raise UserError(
            "E333",
            f"the timing cache has no tactics from '{device}'",
            why=f"it knows {'; '.join(known)}",
            hint=f"name one of them in full: --tuned-for '{known[0]}'",
        )


def _not_in_cache(missing: Sequence[Task], target: Target, device: str) -> UserError:
    lines = [f"{t.summary} ({t.digest[:12]}): {_few(t.nodes) or 'a copy'}" for t in missing[:SHOWN]]
    more = [f"and {len(missing) - SHOWN} more"] if len(missing) > SHOWN else []
    return UserError(
        "E330",
        f"{_tasks(len(missing))} not in the timing cache, and the build is locked to it",
        where=f"{target}" + (f", {device}" if device else ""),
        why="\n         ".join([*lines, *more]),
        hint="tune on a machine with the device (--opt-level 3 --timing-cache FILE), or build without --locked",
    )


def _tasks(count: int) -> str:
    return "1 task is" if count == 1 else f"{count} tasks are"


def _few(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
