"""failure.py: what leaves a command becomes a message with a code on stderr, and an exit code."""

from __future__ import annotations

import pytest

from burnish.errors import EnvironmentProblem, InternalError, UserError
from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("E999", "what"), 2),
        (EnvironmentProblem("E999", "what"), 3),
        (InternalError("E999", "what"), 4),
        (ValueError("oops"), 4),
        (MemoryError(), 3),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("burnish.cli.describe_machine.machine", fail)
    if isinstance(error, BrokenPipeError):
        monkeypatch.setattr("os.dup2", lambda *_: None)
    done = command("inspect", "env")
    assert done.code == code
    assert done.out == ""


def test_a_bug_says_where_it_is_and_what_to_do(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burnish.cli.describe_machine.machine", lambda: {}["nothing"])
    done = command("inspect", "env")
    assert "internal error E901: KeyError: 'nothing'" in done.err
    assert "test_failure.py:" in done.err and "report" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in command("inspect", "env", "--debug").err


def test_memory_that_runs_out_has_a_code_and_a_hint(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burnish.cli.describe_machine.machine", lambda: bytearray(1 << 60))
    done = command("inspect", "env")
    assert "error E803: out of memory" in done.err and "hint: use smaller shapes" in done.err
