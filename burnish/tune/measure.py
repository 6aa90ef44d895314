"""Time a task's candidates as a plan would run them, in turns, so that a slow moment of the machine hits all alike.

In each round every candidate that is still in the race gets a turn: one run to warm up, then some that count, whose
first quartile stands for the turn. Candidates far behind leave after a few rounds. A candidate's time is the median of
its turns, its noise half their interquartile range.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.devices import Device
from burnish.plan.manifest import Plan
from burnish.runtime import Context, load
from burnish.tune.agree import difference
from burnish.tune.trial import Trial
from burnish.tune.turn import turn

Array = np.ndarray[Any, Any]
ROUNDS, TRIAL_ROUNDS = 11, 3
BEHIND = 1.25  # times the fastest: out of the race
TURN_MS, TASK_S = 4.0, 1.0  # of a turn; of all turns of one task
LEAST_NOISE, MOST_NOISE = 0.02, 0.08


@dataclass(frozen=True, slots=True)
class Timing:
    """ns: of one launch. noise: relative. apart: from the first candidate's answer, in tolerances (agree.py)."""

    ns: float
    noise: float = LEAST_NOISE
    apart: float = 0.0


Measure = Callable[[Trial, Sequence[Plan]], Sequence[Timing]]


def make_measure(device: Device, threads: int | None = None, explain: Callable[[str], None] | None = None) -> Measure:
    """The measurement of candidates on a device. Plans must fit into its memory side by side.

    explain: gets a line when this build first waits for another one that measures on the device
    """
    said: set[str] = set()

    def say(line: str) -> None:
        if explain is not None and line not in said:
            explain(line)
        said.add(line)

    def measure(trial: Trial, plans: Sequence[Plan]) -> list[Timing]:
        with ExitStack() as stack:
            contexts = [_context(stack, plan, device, threads) for plan in plans]
            with turn(device.identity, say):
                return _race(trial, contexts)

    return measure


def fastest(timings: Sequence[Timing]) -> int:
    """The number of the winner; of those that the noise cannot tell apart, the first. Wrong answers never win."""
    right = [n for n, t in enumerate(timings) if t.apart <= 1]
    best = min(right, key=lambda n: timings[n].ns)
    for n in right:
        noise = min(MOST_NOISE, max(timings[n].noise, timings[best].noise, LEAST_NOISE))
        if timings[n].ns <= timings[best].ns * (1 + noise):
            return n
    return best


def _context(stack: ExitStack, plan: Plan, device: Device, threads: int | None) -> Context:
    engine = stack.enter_context(load(plan, threads, device=device, contexts=1))
    return stack.enter_context(engine.create_context())


def _race(trial: Trial, contexts: Sequence[Context]) -> list[Timing]:
    out = {name: array.copy() for name, array in trial.outputs.items()}
    first = _answer(trial, contexts[0], out)
    apart = [0.0, *(difference(_answer(trial, c, out), first) for c in contexts[1:])]
    if not trial.is_comparable:
        apart = [0.0 for _ in contexts]
    racing = [n for n in range(len(contexts)) if apart[n] <= 1]
    turns: list[list[float]] = [[] for _ in contexts]
    runs = _runs(contexts[0])
    end = time.perf_counter() + TASK_S
    for done in range(ROUNDS):
        for n in racing:
            turns[n].append(_turn(contexts[n], runs))
        if done + 1 >= TRIAL_ROUNDS:
            best = min(min(turns[n]) for n in racing)
            racing = [n for n in racing if min(turns[n]) <= BEHIND * best]
            if len(racing) == 1 or time.perf_counter() > end:
                break
    return [_timing(turns[n], apart[n], trial.repeats) for n in range(len(contexts))]


def _answer(trial: Trial, context: Context, out: dict[str, Array]) -> list[Array]:
    """What a candidate computes, from the same start as every other. The context stays bound to these arrays."""
    for name, array in trial.outputs.items():
        np.copyto(out[name], array)
    return [np.array(tensor) for tensor in trial.results(context(trial.inputs, out=out))]


def _runs(context: Context) -> int:
    """How many runs fill a turn."""
    return max(3, min(64, int(TURN_MS / max(min(context.time(None, 3)), 1e-3))))


def _turn(context: Context, runs: int) -> float:
    """Milliseconds that a run takes while nothing disturbs it: the first quartile, without the run that warms up."""
    return float(np.percentile(context.time(None, 1 + runs)[1:], 25))


def _timing(turns: Sequence[float], apart: float, repeats: int) -> Timing:
    if not turns:
        return Timing(float("inf"), MOST_NOISE, apart)
    low, median, high = np.percentile(turns, (25, 50, 75))
    return Timing(float(median) * 1e6 / repeats, float(high - low) / 2 / float(median), apart)
