"""The progress bar: on a terminal only, and only after a second."""

from __future__ import annotations

import io
import sys

import pytest

from burnish.cli import progress as module
from burnish.cli.progress import progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_nothing_is_shown_where_stderr_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with progress() as advance:
        advance("work", 1, 2)
    assert stream.getvalue() == ""


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with progress() as advance:
        advance("work", 1, 2)
    assert stream.getvalue() == ""


def test_long_work_shows_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress() as advance:
        advance("work", 1, 2)
        advance("more work", 2, 2)
    shown = stream.getvalue()
    assert "more work" in shown and "2/2" in shown
    erase_line = "\x1b[2K"
    assert erase_line in shown[shown.index("2/2") :]
