"""Compile the candidates of coming tasks in the background, on targets where compiling takes longer than measuring.

Enough of them compile at once to keep every core busy while one task is measured, but few enough that a search which
ends early has not compiled much for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType

from burnish.kernels.schedule import Schedule
from burnish.target import Target
from burnish.targets import compiler_of
from burnish.tune.task import Task
from burnish.tune.trial import launch_at_opt

MOST, FEWEST = 96, 48  # candidates of coming tasks: begun up to MOST, and again below FEWEST
Offered = Callable[[Task], Sequence[Schedule]]


class CompileAhead:
    """Compiles ahead for tasks that will be measured in this order, at these usual sizes."""

    def __init__(
        self,
        tasks: Sequence[Task],
        sizes: dict[str, int],
        target: Target,
        offered: Offered,
        explain: Callable[[str], None],
    ) -> None:
        self._compiler = compiler_of(target).compile_ahead() if tasks else None
        self._tasks, self._sizes, self._offered, self._explain = list(tasks), sizes, offered, explain
        self._counts: list[int] = []

    def reach(self, number: int) -> None:
        """The task of this number is next."""
        waiting = sum(self._counts[number:])
        if self._compiler is None or (waiting > FEWEST and number < len(self._counts)):
            return
        first, before = len(self._counts), waiting
        for task in self._tasks[first:]:
            if waiting >= MOST:
                break
            schedules = self._offered(task)
            self._compiler.begin(launch_at_opt(task.launches[0], self._sizes), schedules)
            self._counts.append(len(schedules))
            waiting += len(schedules)
        if count := len(self._counts) - first:
            self._explain(f"compiling {waiting - before} candidates of {count} task{'s' * (count > 1)}")

    def __enter__(self) -> CompileAhead:
        if self._compiler is not None:
            self._compiler.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._compiler is not None:
            self._compiler.__exit__(kind, problem, where)
