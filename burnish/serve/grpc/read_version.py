"""A model's version as a client spells it."""

from __future__ import annotations

import re

from burnish.serve.request import NEWEST
from burnish.serve.status import invalid

_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")  # what C's strtol reads; Triton takes what follows, too
_LARGEST = (1 << 63) - 1


def read_version(text: str) -> int:
    """NEWEST for no text. INVALID_ARG, in Triton's words, for what is no number."""
    if not text:
        return NEWEST
    found = _NUMBER.match(text)
    value = int(found[1]) if found else _LARGEST + 1
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise invalid(
            f"failed to get model version from specified version string '{text}' (details: stol), "
            "version should be an integral value > 0"
        )
    if value < 0:
        raise invalid(f"invalid model version specified '{text}' , version should be an integral value > 0")
    return value
