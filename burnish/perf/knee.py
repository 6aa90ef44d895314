"""The knee of the curve: the level after which more load buys mostly waiting.

    power = throughput / latency        the knee has the largest

source: Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer communications", 1979
"""

from __future__ import annotations

import math
from collections.abc import Sequence

FEWEST = 3  # levels that make a curve


def find_knee(throughputs_per_s: Sequence[float], latencies_ms: Sequence[float]) -> int | None:
    """The index of the knee among levels of rising load.

    returns: None if there are fewer than three levels, or if the last has the most power: then the knee lies beyond it
    """
    powers = [t / v if v > 0 and math.isfinite(v) else 0.0 for t, v in zip(throughputs_per_s, latencies_ms)]
    if len(powers) < FEWEST or max(powers) <= 0:
        return None
    best = powers.index(max(powers))
    return None if best == len(powers) - 1 else best
