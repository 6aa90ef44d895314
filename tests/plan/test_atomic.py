"""A failed write leaves what was there, and nothing beside it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.errors import EnvironmentProblem
from burnish.plan.atomic import check_place, write_atomically


def test_chunks_become_the_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "f", [b"ab", memoryview(b"cd"), b""])
    assert (tmp_path / "f").read_bytes() == b"abcd"
    assert os.listdir(tmp_path) == ["f"]


def test_the_files_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "f", [b""])
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_failing_system_call_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    (tmp_path / "f").write_bytes(b"old")

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(EnvironmentProblem, match=f"E403(?s:.*){os.strerror(number)}"):
        write_atomically(tmp_path / "f", [b"new"])
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("a bug"), OSError(errno.ENOSPC, "full")])
def test_a_source_that_fails_half_way_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise failure

    with pytest.raises((type(failure), EnvironmentProblem)):
        write_atomically(tmp_path / "f", chunks())
    assert not os.listdir(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"E403(?s:.*)none"):
        write_atomically(tmp_path / "none" / "f", [b""])


def test_a_place_without_a_folder_or_without_leave_to_write_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_place(tmp_path / "new")
    assert os.listdir(tmp_path) == []
    with pytest.raises(EnvironmentProblem, match=r"E403(?s:.*)there is no folder"):
        check_place(tmp_path / "none" / "new")
    with pytest.raises(EnvironmentProblem, match=r"E403(?s:.*)it is a folder"):
        check_place(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(EnvironmentProblem, match=r"E403(?s:.*)is not writable"):
        check_place(tmp_path / "new")
