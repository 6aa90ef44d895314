"""A progress bar on stderr. It appears on a terminal only, and only after one second of work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Advance = Callable[[str, int, int], None]
PATIENCE_S = 1.0


@contextmanager
def progress() -> Iterator[Advance]:
    """Gives `advance(what, done, total)`. Call it as the work proceeds; the bar disappears at the end."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    bar = _Bar()
    try:
        yield bar.advance
    finally:
        bar.stop()


class _Bar:
    def __init__(self) -> None:
        self._start = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def advance(self, what: str, done: int, total: int) -> None:
        if self._progress is None:
            if time.monotonic() - self._start < PATIENCE_S:
                return
            self._progress = _show()
            self._task = self._progress.add_task(what, total=total)
        assert self._task is not None
        self._progress.update(self._task, description=what, completed=done, total=total)

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def _show() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    shown.start()
    return shown
