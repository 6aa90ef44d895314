"""What runs a model. The seam between schedulers and whatever computes: an instance runs one batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from burnish.serve.job import Job

__all__ = ["Backend", "Instance", "Parkable"]


class Instance(Protocol):
    """One execution context of a loaded model. Called on the event loop's thread."""

    name: str

    def run(self, jobs: Sequence[Job], done: Callable[[], None]) -> None:
        """Start the batch, answer every job (job.answer, job.fail), and call `done` when the next batch may come.

        A run shorter than a thread switch may do all of that before it returns. Sets `inputs_ready_ns` and
        `outputs_ready_ns` of the jobs. Never raises: what goes wrong is an answer.
        """
        ...


class Backend(Protocol):
    """A model version in memory.

    instances    as many as the configuration's instance groups ask for
    memory_bytes what it holds: weights once, and each instance's buffers
    """

    @property
    def instances(self) -> Sequence[Instance]: ...

    @property
    def memory_bytes(self) -> int: ...

    async def close(self) -> None:
        """Give everything back. No batch is running: the model waits for its jobs first."""
        ...


@runtime_checkable
class Parkable(Protocol):
    """A backend that can give its memory back and take it again, with the same instances. No batch runs meanwhile.

    needed_bytes what it holds when it is not parked
    """

    @property
    def needed_bytes(self) -> int: ...

    async def park(self) -> None: ...

    async def unpark(self) -> None:
        """ServeError if the model's file is not what it was."""
        ...
