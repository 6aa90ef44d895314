"""Choose a schedule for each kernel of a program: the tactic, or the first alternative where it does not fit.

A tactic may copy whole boxes from an address where no box can begin, and one chosen for the usual sizes may need much
workspace at the largest ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from burnish.dims import bounds
from burnish.errors import UserError
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Kernel, Launch, Program, each_launch
from burnish.target import Target
from burnish.targets.cuda.alignment import Alignment, is_possible, promise, slot_alignments
from burnish.targets.cuda.source import Source, Workspace
from burnish.targets.cuda.templates import emit, schedules_of

MOST_WORKSPACE = 64 << 20  # bytes of a launch, if another tactic can be chosen


@dataclass(frozen=True, slots=True)
class Choice:
    """A kernel's schedule, and its source by that schedule."""

    schedule: Schedule
    source: Source


def choose(
    program: Program, target: Target, tactics: Mapping[str, Schedule], note: Callable[[str], None]
) -> dict[str, Choice]:
    """A choice for each kernel, by its key, in the order of the launches.

    tactics: the preferred schedules, by kernel key
    note:    gets a line where the build's limit of workspace excluded a tactic, or is exceeded for want of another
    raises:  E213 for a kernel that its template cannot do
    """
    alignments = slot_alignments(each_launch(program.steps))
    room = _Room(program.ranges, program.workspace)
    found: dict[str, Choice] = {}
    for launch in each_launch(program.steps):
        key = launch.kernel.key
        if key not in found:
            possible = _possible(launch.kernel, target, program.sizes, tactics.get(key), alignments[key])
            chosen = _first_modest(launch.name, possible, room, note)
            if chosen is None:
                raise _no_kernel(launch, target)
            found[key] = Choice(chosen.schedule, promise(chosen.source, alignments[key]))
    return found


@dataclass(frozen=True, slots=True)
class _Room:
    """The workspace that a launch may have. limit: that of the build, if it has one."""

    ranges: Mapping[str, tuple[int, int]]
    limit: int | None

    def needed(self, source: Source) -> int:
        """Bytes at the largest sizes."""
        sizes = (p.size_bytes for p in source.parameters if isinstance(p, Workspace))
        return sum(bounds(size, self.ranges)[1] for size in sizes)

    def is_enough(self, source: Source) -> bool:
        return self.needed(source) <= (MOST_WORKSPACE if self.limit is None else min(MOST_WORKSPACE, self.limit))


def _possible(
    kernel: Kernel, target: Target, sizes: Mapping[str, int], tactic: Schedule | None, alignment: Alignment
) -> Iterator[Choice]:
    """The tactic, then all schedules, without those whose boxes cannot begin where the slots begin."""
    for schedule in [*([tactic] if tactic else []), *schedules_of(kernel, target, sizes)]:
        source = emit(kernel, schedule, target)
        if is_possible(source, alignment):
            yield Choice(schedule, source)


def _first_modest(name: str, possible: Iterator[Choice], room: _Room, note: Callable[[str], None]) -> Choice | None:
    """The first choice whose workspace is small enough, or else the first of all; None if there is none."""
    first = chosen = next(possible, None)
    while chosen is not None and not room.is_enough(chosen.source):
        chosen = next(possible, None)
    if first is not None and room.limit is not None and room.limit < room.needed(first.source) <= MOST_WORKSPACE:
        fate = "has no tactic that needs less" if chosen is None else f"does without {first.schedule}"
        needed = room.needed(first.source)
        note(f"'{name}' {fate}: it needs {needed:,} bytes for itself, and the workspace is {room.limit:,}")
    return chosen or first


def _no_kernel(launch: Launch, target: Target) -> UserError:
    slots = ", ".join(map(str, launch.kernel.slots))
    return UserError(
        "E213",
        f"{type(launch.kernel).__name__} has no kernel for {target}",
        where=f"launch '{launch.name}', nodes {', '.join(launch.nodes) or 'none'}",
        why=f"no schedule of its template fits {slots}",
        hint="build for a cpu target, or for a newer GPU; an Attention's heads may have 256 elements at most",
    )
