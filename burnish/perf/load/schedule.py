"""When an open loop sends: at even distances, as a Poisson process, or by a list of distances."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Share:
    """One process' part of a level. index of count processes; begin_ns: when the level begins.

    slots:     closed loop: requests in flight; open loop: how many there may be at most
    rate:      of the whole level [1/s]; 0: closed loop, unless there are intervals
    limit:     requests to send in all; 0: without end
    """

    slots: int
    rate: float = 0.0
    intervals_s: tuple[float, ...] = ()
    arrivals: Literal["constant", "poisson"] = "constant"
    limit: int = 0
    seed: int = 0
    index: int = 0
    count: int = 1
    begin_ns: int = 0

    @property
    def is_open(self) -> bool:
        return bool(self.rate or self.intervals_s)


def due_times(share: Share) -> Iterator[int]:
    """Times [ns of the monotonic clock] at which this process sends; all processes together keep the level's rate."""
    if share.intervals_s:
        steps = itertools.chain([0.0], itertools.cycle(share.intervals_s))
        for elapsed_s in itertools.islice(itertools.accumulate(steps), share.index, None, share.count):
            yield share.begin_ns + round(elapsed_s * 1e9)
    elif share.arrivals == "poisson":
        generator = random.Random(f"{share.seed} {share.index}")
        own_rate = share.rate / share.count  # independent Poisson processes add up to one
        elapsed_s = 0.0
        while True:
            elapsed_s += generator.expovariate(own_rate)
            yield share.begin_ns + round(elapsed_s * 1e9)
    else:
        for number in itertools.count(share.index, share.count):
            yield share.begin_ns + round(number / share.rate * 1e9)
