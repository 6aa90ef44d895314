"""device_lock.py: one measurement at a time on a device, between processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.tune.device_lock import turn, turn_file, turn_to_change

HOLD = """
import sys
from burnish.tune.device_lock import turn
with turn(sys.argv[1], print):
    print("mine", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield


def holder(identity: str) -> subprocess.Popen[str]:
    """A process that has the turn until its input ends."""
    command = [sys.executable, "-c", HOLD, identity]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "mine\n"
    return process


def nothing_to_say(line: str) -> None:
    raise AssertionError(line)


def test_who_comes_second_says_so_and_waits_until_the_first_is_done() -> None:
    lines: list[str] = []
    with holder("gpu") as process:

        def begin(line: str) -> None:
            lines.append(line)
            process.communicate("")

        with turn("gpu", begin):
            assert process.returncode == 0
    assert lines == ["another build measures on this device: they take turns"]
    with turn("gpu", nothing_to_say):
        pass


def test_a_process_that_is_killed_gives_its_turn_away() -> None:
    with holder("gpu") as process, turn("gpu", lambda line: process.kill()):
        assert process.wait() == -signal.SIGKILL


def test_ctrl_c_ends_the_waiting() -> None:
    with holder("gpu") as process:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt), turn("gpu", lambda line: timer.start()):
            raise AssertionError("two at once")
        timer.join()
        process.communicate("")


def test_devices_have_turns_of_their_own() -> None:
    with holder("one") as process, turn("another", nothing_to_say):
        process.communicate("")


def test_threads_take_turns_too() -> None:
    lines: list[str] = []
    inside: list[str] = []

    def second() -> None:
        with turn("gpu", lambda line: waits.set()):
            inside.append("second")

    waits, thread = threading.Event(), threading.Thread(target=second)
    with turn("gpu", lines.append):
        thread.start()
        assert waits.wait(10)
        inside.append("first")
    thread.join()
    assert (inside, lines) == (["first", "second"], [])


def test_the_file_is_for_all_users_and_nobody_can_write_it(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with turn("cuda:0/../x", nothing_to_say):
            place = turn_file("cuda:0/../x")
            assert place.parent == tmp_path and place.name == "burnish-cuda-0-x.lock"
            assert stat.S_IMODE(place.stat().st_mode) == 0o444
    finally:
        os.umask(before)


def test_nothing_stays(tmp_path: Path) -> None:
    with turn("gpu", nothing_to_say), turn("another", nothing_to_say):
        assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError), turn("gpu", nothing_to_say):
        raise ValueError
    with holder("gpu") as process, turn("gpu", lambda line: process.kill()):  # what it leaves is taken over
        pass
    with turn_to_change(tmp_path / "x.cache"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_many_threads_that_take_turns_are_never_two_at_once(tmp_path: Path) -> None:
    """Each removes the file when it is done, while others wait for it."""
    inside: list[int] = []
    most: list[int] = []

    def measure() -> None:
        for _ in range(40):
            with turn("gpu", lambda line: None):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=measure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most), list(tmp_path.iterdir())) == (240, 1, [])


def test_who_changes_a_file_waits_for_another_that_does(tmp_path: Path) -> None:
    order: list[str] = []
    began = threading.Event()

    def second() -> None:
        began.set()
        with turn_to_change(tmp_path / "x.cache"):
            order.append("second")

    with turn_to_change(tmp_path / "x.cache"):
        thread = threading.Thread(target=second)
        thread.start()
        assert began.wait(10)
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_where_no_file_can_be_made_the_measurement_goes_on_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    turn_file("gpu").symlink_to("elsewhere")
    lines: list[str] = []
    with turn("gpu", lines.append):
        pass
    assert len(lines) == 1 and "may disturb" in lines[0]
