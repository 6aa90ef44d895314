"""Regions of /dev/shm. The refusals' words were asked of a real Triton 2.51."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.status import ServeError


@pytest.fixture
def key():
    name = f"/burnish_{uuid.uuid4().hex}"
    path = Path("/dev/shm" + name)
    path.write_bytes(bytes(range(100)) + bytes(8092))
    yield name
    path.unlink(missing_ok=True)


def refused(code: int, words: str):
    return pytest.raises(ServeError, match=words, check=lambda e: e.code.http == code)


def test_a_region_is_read_and_written_where_it_was_registered(key: str) -> None:
    shared = SharedMemory()
    shared.register("r", key, 0, 100)
    shared.register("s", key.lstrip("/"), 4096, 50)
    assert shared.find("r", 10, 4).read(10, 4) == bytes([10, 11, 12, 13])
    shared.find("s", 1, 2).write(1, b"ab")
    assert Path("/dev/shm" + key).read_bytes()[4097:4099] == b"ab"
    assert [(r.name, r.key, r.offset, r.size) for r in shared.status()] == [
        ("r", key, 0, 100),
        ("s", key.lstrip("/"), 4096, 50),
    ]
    shared.unregister("r")
    shared.unregister("r")
    assert [r.name for r in shared.status()] == ["s"]
    shared.unregister_all()
    assert list(shared) == []


def test_what_lies_outside_is_refused(key: str) -> None:
    shared = SharedMemory()
    shared.register("r", key, 0, 100)
    with refused(400, "shared memory region 'r' already in manager"):
        shared.register("r", key, 0, 100)
    with refused(400, "failed to register shared memory region 'x': invalid args"):
        shared.register("x", key, 8000, 1000)
    with refused(400, "unable to process address spaceInvalid argument"):
        shared.register("x", key, 8, 10)
    with refused(400, "unable to process address spaceInvalid argument"):
        shared.register("x", key, 0, 0)
    with refused(404, "Unable to find shared memory region: 'x'"):
        shared.find("x", 0, 4)
    with refused(404, "Unable to find system shared memory region: 'x'"):
        shared.status("x")
    with refused(400, "Invalid offset for shared memory region: 'r'"):
        shared.find("r", 100, 4)
    with refused(400, r"Invalid offset \+ byte size for shared memory region: 'r'"):
        shared.find("r", 98, 4)
    with refused(400, r"Invalid offset \+ byte size for shared memory region: 'r'"):
        shared.find("r", 0, 0)


@pytest.mark.parametrize(
    "name", ["/", "", "/..", "..", "/a/b", "/../etc/passwd", "/nothing\0here", "/surely_not_there"]
)
def test_only_files_of_dev_shm_are_opened(name: str) -> None:
    with refused(500, "Unable to open shared memory region: "):
        SharedMemory().register("r", name, 0, 1)


def test_links_and_folders_are_not_followed(key: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    Path("/dev/shm" + key).unlink()
    os.symlink(tmp_path / "secret", "/dev/shm" + key)
    with refused(500, "Unable to open"):
        SharedMemory().register("r", key, 0, 6)
    Path("/dev/shm" + key).unlink()
    os.mkfifo("/dev/shm" + key)
    with refused(500, "Unable to open"):
        SharedMemory().register("r", key, 0, 6)


def test_a_file_that_is_shortened_afterwards_is_an_error_and_no_crash(key: str) -> None:
    shared = SharedMemory()
    shared.register("r", key, 0, 100)
    os.truncate("/dev/shm" + key, 10)
    with refused(400, "has become shorter"):
        shared.find("r", 0, 100).read(0, 100)


def test_a_region_in_use_stays(key: str) -> None:
    shared = SharedMemory()
    shared.register("r", key, 0, 100)
    shared.register("s", key, 0, 100)
    shared.find("r", 0, 1).users += 1
    with refused(500, "Cannot unregister shared memory region 'r', it is currently in use."):
        shared.unregister("r")
    with refused(500, "Failed to unregister the following system shared memory regions: r ,"):
        shared.unregister_all()
    assert [r.name for r in shared] == ["r"]
