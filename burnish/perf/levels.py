"""Read the levels of a sweep: `8`, `1,2,4`, `1:8`, `1:32:4`, `1:32:*2`."""

from __future__ import annotations

import math
import re

from burnish.errors import UserError

MOST = 1000  # levels of one sweep
_RANGE = re.compile(r"(?P<start>[\d.]+):(?P<end>[\d.]+)(?::(?P<times>\*?)(?P<step>[\d.]+))?")


def parse_levels(text: str, option: str, whole: bool = False) -> tuple[float, ...]:
    """Start, end (included) and step, which is added, or multiplied after a `*`. The default step is 1.

    whole:  levels must be whole numbers
    raises: E680
    """
    try:
        found = _range(text) if ":" in text else tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or any(v <= 0 or not math.isfinite(v) or (whole and v != int(v)) for v in found):
        raise UserError(
            "E680",
            f"{option} '{text}' names no levels",
            why=f"a level is a {'whole ' if whole else ''}number above 0, and a range has a start, an end and a step",
            hint=f"{option} 8, {option} 1,2,4, {option} 1:8:2 or {option} 1:32:*2",
        )
    return found


def _range(text: str) -> tuple[float, ...]:
    item = _RANGE.fullmatch(text)
    if item is None:
        raise ValueError(text)
    start, end, step = float(item["start"]), float(item["end"]), float(item["step"] or 1)
    if start > end or start <= 0 or (step <= 1 if item["times"] else step <= 0):
        raise ValueError(text)
    found = [start]
    while len(found) < MOST:
        after = found[-1] * step if item["times"] else start + len(found) * step
        if after > end * (1 + 1e-12):
            return tuple(found)
        found.append(after)
    raise ValueError(text)
