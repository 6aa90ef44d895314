"""The doctor's plans for a GPU are interpreted."""

from __future__ import annotations

import pytest

from tests.doctor.planted import Surgery


@pytest.fixture
def surgery(monkeypatch: pytest.MonkeyPatch) -> Surgery:
    return Surgery(monkeypatch)
