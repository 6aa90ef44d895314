"""Small models whose convolutions become chains all the same: a memory so slow that any chain pays."""

from __future__ import annotations

import pytest

from burnish.lower.strips import runs


@pytest.fixture
def slow_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any chain pays, and a strip is a few rows."""
    monkeypatch.setattr(runs, "FEWEST_STRIPS", 0)
    monkeypatch.setattr(runs, "FLOP_PER_BYTE", 1e6)
    monkeypatch.setattr(runs, "MOST_STRIP_BYTES", 12 << 10)
