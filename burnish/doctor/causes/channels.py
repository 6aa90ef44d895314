"""The least and the greatest number of each channel, over samples."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def ends(arrays: list[Array], axis: int) -> tuple[Array, Array]:
    """(lows, highs) by channel, of the numbers that are finite; tensors of no axis have one channel."""
    lows, highs = [], []
    for array in arrays:
        at = array.reshape(1) if not array.ndim else array
        others = tuple(a for a in range(at.ndim) if a != axis % at.ndim)
        finite = np.isfinite(at)
        lows.append(np.where(finite, at, np.inf).min(others))
        highs.append(np.where(finite, at, -np.inf).max(others))
    return np.min(lows, 0), np.max(highs, 0)


def count_places(arrays: list[Array], axis: int) -> int:
    """The numbers that each channel has, in all samples."""
    return sum(a.size // a.shape[axis] for a in arrays if a.ndim and a.shape[axis])


def listed(channels: Array) -> str:
    """Channels for people."""
    shown = ", ".join(str(int(c)) for c in channels[:4])
    return f"channel{'s' if len(channels) > 1 else ''} {shown}{' ...' if len(channels) > 4 else ''}"
