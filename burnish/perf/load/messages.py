"""Which request comes next: the data's steps in turn, or the steps of sequences."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from burnish.perf.options import Scalar, Sequences


class Request(Protocol):
    """One request. Everything but its parameters is encoded already."""

    def render(self, parameters: Mapping[str, Scalar]) -> bytes:
        """The bytes to send, with these parameters besides the request's own."""
        ...


class Messages(Protocol):
    """What one slot sends, one request after the other."""

    def next(self) -> bytes: ...

    def restart(self) -> None:
        """The connection is lost: whatever the last request belonged to is over."""
        ...

    def last(self) -> bytes | None:
        """What must still be sent so that the server can forget this slot."""
        ...


class Steps:
    """All steps of all streams in turn, shared by all slots and rendered once."""

    def __init__(self, streams: Sequence[Sequence[Request]]) -> None:
        self._turn = itertools.cycle([request.render({}) for stream in streams for request in stream])

    def next(self) -> bytes:
        return next(self._turn)

    def restart(self) -> None:
        pass

    def last(self) -> bytes | None:
        return None


class SequenceSteps:
    """One sequence after the other, each with an id of its own and a stream drawn at random."""

    def __init__(
        self, streams: Sequence[Sequence[Request]], wanted: Sequences, new_id: Callable[[], int], seed: str
    ) -> None:
        self._streams, self._wanted, self._new_id = streams, wanted, new_id
        self._random = random.Random(seed)
        self._id = self._left = self._step = 0
        self._stream: Sequence[Request] = ()

    def next(self) -> bytes:
        is_first = self._left == 0
        if is_first:
            self._begin()
        self._left -= 1
        return self._render(is_first, self._left == 0)

    def restart(self) -> None:
        self._left = 0

    def last(self) -> bytes | None:
        if not self._left:
            return None
        self._left = 0
        return self._render(False, True)

    def _begin(self) -> None:
        self._id = self._new_id()
        self._stream = self._random.choice(self._streams)
        self._step = 0
        spread = self._wanted.variation / 100
        self._left = max(1, round(self._wanted.length * self._random.uniform(1 - spread, 1 + spread)))

    def _render(self, is_first: bool, is_last: bool) -> bytes:
        request = self._stream[self._step % len(self._stream)]
        self._step += 1
        flags = {"sequence_id": self._id, "sequence_start": is_first, "sequence_end": is_last}
        return request.render(flags)


def ids(wanted: Sequences, index: int, count: int) -> Callable[[], int]:
    """Correlation ids that no two processes share, from the first to the last and round again."""
    size = wanted.last_id - wanted.first_id + 1
    numbers = itertools.count(index, count)
    return lambda: wanted.first_id + next(numbers) % size
