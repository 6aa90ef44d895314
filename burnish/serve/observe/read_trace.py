"""Trace settings as clients write them: words and numbers in text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from burnish.serve.observe.trace_settings import OFF, TENSORS, TIMESTAMPS
from burnish.serve.status import invalid

# The protocol's names of numbers, and `TraceSetting`'s.
NUMBERS: Final = {"trace_rate": "rate", "trace_count": "count", "log_frequency": "log_frequency"}
_NUMBER = re.compile(r"\s*([+-]?\d+)")
_INT32, _UINT32 = 1 << 31, 1 << 32
_ALL_TRACES = -1


def read_levels(names: Sequence[str]) -> tuple[str, ...] | None:
    """What is not known is passed over; None if nothing is left."""
    if OFF in names:
        if len(names) > 1:
            raise invalid("Expect only one trace level 'OFF' is specified")
        return ()
    return tuple(level for level in (TIMESTAMPS, TENSORS) if level in names) or None


def read_number(key: str, text: str) -> int:
    """As C reads it: the digits in front, within 32 bits."""
    match = _NUMBER.match(text)
    if match is None:
        raise invalid(f"Unable to parse '{key}', got: {text}")
    value = int(match.group(1)) if len(match.group(1)) < 20 else _INT32
    low, high = (_ALL_TRACES, _INT32 - 1) if key == "trace_count" else (0, _UINT32 - 1)
    if not -_INT32 <= value < _INT32:
        raise invalid(f"Unable to parse '{key}', value is out of range [ {low}, {high} ], got: {text}")
    if key == "trace_count" and value < low:
        raise invalid(f"Unable to parse 'trace_count'. Expecting value >= {low}, got:{text}")
    return value % _UINT32 if key != "trace_count" else value
