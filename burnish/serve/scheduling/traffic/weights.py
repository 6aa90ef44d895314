"""Traffic by version: of requests that name no version, each version gets a part by its weight.

Requests with the same value of the sticky parameter always go to the same version, on every server with these weights;
when a weight grows, only requests that now belong to it move. So do the requests of one sequence. The others are spread
evenly, not drawn at random.
"""

from __future__ import annotations

import hashlib
import math

from burnish.serve.config.options.options import Traffic
from burnish.serve.request import NEWEST, Request


class VersionChooser:
    """One a model."""

    def __init__(self, rule: Traffic) -> None:
        self._weights = {version: weight for version, weight in sorted(rule.weights.items()) if weight > 0}
        self._total, self._sticky = sum(self._weights.values()), rule.sticky
        self._credit = dict.fromkeys(self._weights, 0.0)

    def choose(self, request: Request) -> int:
        """The version that is to answer; the one that the request names, if it names one."""
        if request.version != NEWEST or not self._credit:
            return request.version
        key: object = request.parameters.get(self._sticky) if self._sticky else None
        if key is None and request.sequence is not None and request.sequence.id:
            key = request.sequence.id
        return self._next() if key is None else self._of(key)

    def _next(self) -> int:
        """Smooth weighted round robin: who is furthest behind its part is next."""
        weights, credit = self._weights, self._credit
        for version in credit:
            credit[version] += weights[version]
        best = max(credit, key=credit.__getitem__)
        credit[best] -= self._total
        return best

    def _of(self, key: object) -> int:
        """Weighted rendezvous hashing: the version whose hash with the key, as an exponential wait, is the shortest."""
        return min(self._credit, key=lambda version: _wait(version, key) / self._weights[version])


def _wait(version: int, key: object) -> float:
    return -math.log(place_of(f"{version}\0{key}"))


def place_of(text: str) -> float:
    """A text's place between 0, which it never is, and 1: the same on every machine, and as good as drawn at random."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 1) / 2**64
