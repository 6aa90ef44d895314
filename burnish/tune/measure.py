"""Time a task's candidates as a plan would run them. They run in turns, so a slow moment of the machine affects all.

In each round every remaining candidate gets a turn: one run to warm up, then some runs that count. The time of a turn
is the first quartile of these runs. A candidate's time is the median of its turns, and its noise is half their
interquartile range. The first turns are short, because most candidates are much slower and are dropped early. Measuring
stops when one candidate is left, or when the times of the remaining ones are stable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from burnish.devices import Device
from burnish.plan.plan import Plan
from burnish.runtime import Context, load
from burnish.tune.compare_answers import difference
from burnish.tune.device_lock import turn
from burnish.tune.read_answer import Answers
from burnish.tune.trial import Trial

TRIAL_ROUNDS, STEADY_ROUNDS, ROUNDS = 3, 5, 11  # with short turns; when steady times may end the race; at most
FIRST_MS, TURN_MS, TASK_S = 1.0, 3.0, 1.0  # of a turn in the first rounds, and later; of all turns of one task
FEWEST_RUNS, MOST_RUNS = 2, 64  # of a turn, without the one that warms up
LEAST_NOISE, MOST_NOISE = 0.02, 0.08
BEHIND = (2.0, 1.5, 1.25, 1.25, 1.1)  # by round, the last for all later ones: slower than this times the fastest is out
STEADY = 0.01  # noise of a stable time


@dataclass(frozen=True, slots=True)
class Timing:
    """ns: of one launch. noise: relative. apart: from the first candidate's answer [tolerances]."""

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
            answers = stack.enter_context(Answers(trial))
            answers.upload(device)
            with turn(f"measures-{device.identity}", say):
                apart = _differences(trial, answers, contexts)
                turns = _race([c for c, off in zip(contexts, apart) if off <= 1])
        left = iter(turns)
        return [_timing(next(left) if off <= 1 else [], off, trial.repeats) for off in apart]

    return measure


def fastest(timings: Sequence[Timing]) -> int:
    """The winner's number. If noise hides the difference, the first one wins. Wrong answers never win."""
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


def _differences(trial: Trial, answers: Answers, contexts: Sequence[Context]) -> list[float]:
    """The difference of each answer from the first one's, in tolerances. Every context is bound when this returns."""
    first, *others = contexts
    reference = answers.of(first)
    apart = [0.0, *(difference(answers.of(context), reference) for context in others)]
    return apart if trial.is_comparable else [0.0] * len(apart)


def _race(contexts: Sequence[Context]) -> list[list[float]]:
    """Milliseconds of a run, by turns, of each context."""
    turns: list[list[float]] = [[] for _ in contexts]
    racing = list(range(len(contexts)))
    shortest = min(contexts[0].time(None, 1 + FEWEST_RUNS)[1:])
    end = time.perf_counter() + TASK_S
    for done in range(1, ROUNDS + 1):
        runs = _runs(shortest, FIRST_MS if done <= TRIAL_ROUNDS else TURN_MS)
        for n in racing:
            turns[n].append(_turn(contexts[n], runs))
        shortest = min(min(turns[n]) for n in racing)
        limit = shortest * BEHIND[min(done, len(BEHIND)) - 1]
        racing = [n for n in racing if min(turns[n]) <= limit]
        is_steady = done >= STEADY_ROUNDS and all(_noise(turns[n]) <= STEADY for n in racing)
        if done >= TRIAL_ROUNDS and (len(racing) == 1 or is_steady or time.perf_counter() > end):
            break
    return turns


def _runs(milliseconds: float, turn_ms: float) -> int:
    """How many runs fill a turn."""
    return max(FEWEST_RUNS, min(MOST_RUNS, int(turn_ms / max(milliseconds, 1e-3))))


def _turn(context: Context, runs: int) -> float:
    """Milliseconds of an undisturbed run: the first quartile, without the warm-up run."""
    return float(np.percentile(context.time(None, 1 + runs)[1:], 25))


def _noise(turns: Sequence[float]) -> float:
    """Half the interquartile range, relative to the median."""
    low, median, high = np.percentile(turns, (25, 50, 75))
    return float(high - low) / 2 / float(median)


def _timing(turns: Sequence[float], apart: float, repeats: int) -> Timing:
    if not turns:
        return Timing(float("inf"), MOST_NOISE, apart)
    return Timing(float(np.median(turns)) * 1e6 / repeats, _noise(turns), apart)
