"""The smallest change that mends a plan: precision rules for the layers that were found, built and measured.

A plan is built with the rules and looked at again. What then comes up is added, up to a few times, until the outputs
are as near as the precision allows. Then each rule is left out once more, and stays out where it was not needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.doctor.finding import Finding, Remedy
from burnish.doctor.locate import Located
from burnish.doctor.observe import Sample, add_outputs, worst
from burnish.doctor.reference import Reference
from burnish.plan.plan import Plan
from burnish.runtime import Engine

MOST_ROUNDS = 6
LEAST_RUNS, LEAST_SECONDS = 3, 0.3  # of each plan's timing
Rules = list[dict[str, Any]]
Build = Callable[[Sequence[Mapping[str, Any]]], Plan]


def find_remedy(
    located: Located,
    build: Build,
    open_plan: Callable[[Plan], Engine],
    look: Callable[[Plan, Engine], Located],
    reference: Reference,
    samples: Sequence[Sample],
    engine: Engine,
) -> Remedy | None:
    """None if no rule can mend what was found.

    build: a plan with such rules; look: what is wrong with a plan; engine: of the plan as it is
    """
    groups = _groups(located.findings)
    if not groups:
        return None
    latest = located
    for _ in range(MOST_ROUNDS):
        plan = build(_rules(groups))
        with open_plan(plan) as healed:
            latest = look(plan, healed)
        more = [g for g in _groups(latest.findings) if g not in groups]
        if latest.is_healthy or not more:
            break
        groups += more
    error = latest.error
    if latest.is_healthy and located.error > located.limit:
        groups, error = _thinned(groups, error, located.limit, build, open_plan, reference, samples)
    rules = _rules(groups)
    with open_plan(build(rules)) as healed:
        before_ms, after_ms = times_in_turns(engine, healed, samples[0])
    is_healed = latest.is_healthy or error <= located.limit < located.error
    return Remedy(tuple(rules), located.error, error, before_ms, after_ms, is_healed)


def outputs_error(engine: Engine, reference: Reference, samples: Sequence[Sample]) -> float:
    """The error of the worst output."""
    found: dict[str, Any] = {}
    for sample in samples:
        add_outputs(found, engine(sample), reference(sample))
    return worst(found.values())


def times_in_turns(first: Engine, second: Engine, sample: Sample) -> tuple[float, float]:
    """Median milliseconds of a call of each, which take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    with first.create_context() as one, second.create_context() as other:
        for context in (one, other):
            context(sample)
        end = time.perf_counter() + LEAST_SECONDS
        while len(times[0]) < LEAST_RUNS or time.perf_counter() < end:
            for context, own in zip((one, other), times):
                start = time.perf_counter()
                context(sample)
                own.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times[0])), float(np.median(times[1]))


def _thinned(
    groups: list[tuple[str, tuple[str, ...]]],
    error: float,
    limit: float,
    build: Build,
    open_plan: Callable[[Plan], Engine],
    reference: Reference,
    samples: Sequence[Sample],
) -> tuple[list[tuple[str, tuple[str, ...]]], float]:
    """The groups without those that are not needed, and the outputs' error then."""
    for group in list(groups):
        rest = [g for g in groups if g != group]
        if not rest:
            break
        with open_plan(build(_rules(rest))) as engine:
            found = outputs_error(engine, reference, samples)
        if found <= limit:
            groups, error = rest, found
    return groups, error


def _groups(findings: Sequence[Finding]) -> list[tuple[str, tuple[str, ...]]]:
    """What is raised together, and to which precision."""
    return list(dict.fromkeys((f.precision, f.raises) for f in findings if f.raises))


def _rules(groups: Sequence[tuple[str, tuple[str, ...]]]) -> Rules:
    """One rule for each precision."""
    nodes: dict[str, dict[str, None]] = {}
    for word, names in groups:
        nodes.setdefault(word, {}).update(dict.fromkeys(names))
    return [{"nodes": list(names), "precision": word} for word, names in nodes.items()]
