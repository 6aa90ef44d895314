"""The causes that the doctor knows, in the order in which they are asked: the first one that fits is named."""

from __future__ import annotations

from collections.abc import Callable

from burnish.doctor.case import Case
from burnish.doctor.causes import (
    cancellation,
    clipped_range,
    dead_channel,
    huge_mask,
    large_positions,
    not_a_number,
    outlier_channel,
    overflow,
    unexplained,
    wide_range,
)
from burnish.doctor.finding import Finding

CAUSES: tuple[Callable[[Case], Finding | None], ...] = (
    not_a_number.find,
    huge_mask.find,
    overflow.find,
    large_positions.find,
    dead_channel.find,
    clipped_range.find,
    outlier_channel.find,
    wide_range.find,
    cancellation.find,
    dead_channel.find_lost,
    unexplained.find,
)


def name_cause(case: Case) -> Finding:
    """The first cause that fits; `unexplained` always does. Codes that are hidden in the launch come first."""
    if case.hidden:
        return name_cause(case.hidden[0])
    return next(found for cause in CAUSES if (found := cause(case)) is not None)
