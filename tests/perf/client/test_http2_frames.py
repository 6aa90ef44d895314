"""Frames of HTTP/2 are cut as they come, in pieces of any size."""

from __future__ import annotations

import pytest

from burnish.perf.client import http2_frames as h2

FRAMES = [
    (h2.SETTINGS, 0, 0, b""),
    (h2.HEADERS, h2.END_HEADERS, 1, b"block"),
    (h2.DATA, 0, 1, bytes(range(256)) * 300),
    (h2.DATA, h2.END_STREAM, h2.LARGEST_STREAM, b"x"),
]


@pytest.mark.parametrize("size", [1, 7, 9, 10, 5000, 10**6])
def test_frames_come_whole_however_they_are_cut(size: int) -> None:
    data = b"".join(h2.frame(*f) for f in FRAMES)
    frames = h2.Frames()
    found = [f for i in range(0, len(data), size) for f in frames.feed(data[i : i + size])]
    assert found == FRAMES


def test_padding_and_priority_are_taken_off() -> None:
    padded = h2.frame(h2.DATA, h2.PADDED, 1, b"\3abc\0\0\0")
    prioritized = h2.frame(h2.HEADERS, h2.PADDED | h2.PRIORITIZED, 1, b"\1\0\0\0\0\x10abc\0")
    assert [f[3] for f in h2.Frames().feed(padded + prioritized)] == [b"abc", b"abc"]


def test_settings_and_window_updates_have_their_numbers() -> None:
    ((kind, _, stream, payload),) = h2.Frames().feed(h2.settings({4: 2**31 - 1, 5: 16384}))
    assert (kind, stream, h2.read_settings(payload)) == (h2.SETTINGS, 0, {4: 2**31 - 1, 5: 16384})
    ((kind, _, stream, payload),) = h2.Frames().feed(h2.window_update(7, 12345))
    assert (kind, stream, h2.number(payload)) == (h2.WINDOW_UPDATE, 7, 12345)
