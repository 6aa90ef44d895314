"""tile_permission.py: the kernel is asked once a process, and its answer is told with the reason."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from burnish.devices.cpu import tile_permission


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Each test asks anew, and leaves no pretended answer behind."""
    tile_permission._refusal.cache_clear()
    yield
    tile_permission._refusal.cache_clear()


def answer(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    asked: list[int] = []
    monkeypatch.setattr(tile_permission, "_request", lambda: asked.append(number) or number)
    return asked


def test_the_kernel_is_asked_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, 0)
    assert tile_permission.refusal() is None and tile_permission.refusal() is None
    assert len(asked) == 1
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as after a fork
    assert tile_permission.refusal() is None
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EINVAL, "older than Linux 5.16"),
        (errno.EPERM, "sandbox"),
        (errno.ENOSPC, "signal stack"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_a_refusal_says_the_number_and_why(monkeypatch: pytest.MonkeyPatch, number: int, reason: str) -> None:
    answer(monkeypatch, number)
    said = tile_permission.refusal()
    assert said is not None and f"errno {number}" in said and reason in said


def test_this_kernel_answers() -> None:
    said = tile_permission.refusal()
    assert said is None or said.startswith("errno ")


def test_importing_burnish_asks_nothing() -> None:
    code = """
import ctypes
def forbidden(*args): raise AssertionError(args)
kept, ctypes.CDLL = ctypes.CDLL, forbidden
import burnish, burnish.devices.cpu.device, burnish.devices.this_machine
"""
    subprocess.run([sys.executable, "-c", code], check=True)
