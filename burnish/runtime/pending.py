"""The result of `context.enqueue`: outputs that the device has not finished yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from burnish.devices import Call
from burnish.errors import UserError
from burnish.plan.manifest import Presentation
from burnish.runtime.present import present


class Pending:
    """Work under way. It keeps the inputs alive until the work is done."""

    def __init__(
        self,
        session: Call,
        judge: Callable[[], UserError | None],
        results: dict[str, Any],
        inputs: object,
        lock: threading.Lock,
        shown: tuple[Presentation, ...] = (),
    ) -> None:
        """judge: gives the error of finished work, if any; shown: outputs that `wait` gives in another form"""
        self._session, self._judge, self._lock, self._shown = session, judge, lock, shown
        self._results, self._inputs = results, inputs
        self._error: UserError | None = None
        self._mark = session.mark()
        self._is_done = False

    def wait(self) -> dict[str, Any]:
        """The outputs by name, complete. E525 for an index out of range, E523, E524 if the device failed."""
        if not self._is_done:
            with self._lock:
                self.finish()
        if self._error is not None:
            raise self._error
        return self._results

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs, without waiting. Device arrays are for streams that `join`; host arrays are not filled yet."""
        return self._results

    def join(self, stream: int) -> None:
        """Make a CUDA stream of the caller's (its handle) wait for the outputs, without blocking the host."""
        if not self._is_done:
            self._session.join(stream, self._mark)

    def finish(self) -> None:
        """For the context, which holds its lock."""
        if not self._is_done:
            self._session.wait()
            present(self._results, self._shown)
            self._is_done, self._inputs, self._mark = True, None, None
            self._error = self._judge()
