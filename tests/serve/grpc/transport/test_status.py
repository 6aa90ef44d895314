from __future__ import annotations

from urllib.parse import unquote_to_bytes

import grpc
import pytest

from burnish.serve.grpc.transport.status import Status, percent_encoded


def test_the_codes_are_those_of_grpc() -> None:
    assert {s.name: int(s) for s in Status} == {c.name: c.value[0] for c in grpc.StatusCode}


@pytest.mark.parametrize("message", ["plain words", "100 %", "line\nbreak", "größer ≥", "", "\x7f~ "])
def test_a_message_travels_as_printable_ascii(message: str) -> None:
    data = percent_encoded(message)
    assert all(32 <= b < 127 for b in data)
    assert unquote_to_bytes(data.decode()).decode() == message
