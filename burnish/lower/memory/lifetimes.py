"""When each temporary of a program lives: from the first step that touches it to the last."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.dims import bounds
from burnish.kernels.task import Branch, Launch, Program, ReferenceStep, Step, each_step
from burnish.lower.memory.plan_arena import Lifetime


def lifetimes_of(program: Program) -> list[Lifetime]:
    """The lifetimes of all temporaries in the arena, with their sizes at the profile's maximum."""
    ranges = program.ranges
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for time, used in enumerate(storages_by_step(program.steps)):
        for storage in used:
            first.setdefault(storage, time)
            last[storage] = time
    return [
        Lifetime(
            s.number,
            bounds(s.size_bytes, ranges)[1],
            first[s.number],
            last[s.number],
            program.geometry.get(s.number, ""),
            program.fills.get(s.number, 0),
        )
        for s in program.storages
        if s.kind == "arena" and s.number in first
    ]


def storages_by_step(steps: Sequence[Step]) -> list[set[int]]:
    """The storages that each step touches, in execution order. A branch's condition counts as a separate step."""
    found: list[set[int]] = []
    for step in each_step(steps):
        if isinstance(step, Launch):
            found.append({b.storage for b in step.bindings})
        elif isinstance(step, ReferenceStep):
            found.append({t.storage for t in (*step.inputs, *step.outputs)})
        elif isinstance(step, Branch):
            found.append({step.condition.storage})
    return found
