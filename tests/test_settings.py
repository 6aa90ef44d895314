"""settings.py: environment variables, read once, refused where they make no sense."""

from __future__ import annotations

import pytest

from burnish.errors import UserError
from burnish.settings import settings


@pytest.fixture(autouse=True)
def fresh_settings():
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_unset_variables_are_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BURNISH_DEBUG", raising=False)
    monkeypatch.delenv("BURNISH_THREADS", raising=False)
    assert (settings().debug, settings().threads) == (0, 0)


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_DEBUG", "3")
    monkeypatch.setenv("BURNISH_THREADS", "2")
    assert (settings().debug, settings().threads) == (3, 2)


@pytest.mark.parametrize("text", ["", "two", "-1", "1.5"])
def test_what_is_no_number_is_refused_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_THREADS", text)
    with pytest.raises(UserError, match=r"E604[\s\S]*BURNISH_THREADS"):
        settings()
