"""The first request tells whether requests can work at all."""

from __future__ import annotations

import pytest

from burnish.errors import UserError
from burnish.perf.load.try_once import try_once
from burnish.perf.options import Sequences
from tests.perf.fake_server import FakeServer, running
from tests.perf.load.test_job import made


def test_a_server_that_answers_is_asked_once() -> None:
    with running(FakeServer()) as server:
        try_once(made(server.url))
        assert len(server.received) == 1


def test_a_sequence_that_was_begun_is_ended() -> None:
    with running(FakeServer()) as server:
        try_once(made(server.url, Sequences(length=5)))
        flags = [r.fields["parameters"] for r in server.received]
    assert [(f["sequence_start"], f["sequence_end"]) for f in flags] == [(True, False), (False, True)]


def test_a_refusal_is_shown_in_the_servers_words() -> None:
    with running(FakeServer(fault=lambda n: (400, '{"error":"unexpected shape"}'))) as server:
        with pytest.raises(UserError, match="E688") as caught:
            try_once(made(server.url))
        assert "400: unexpected shape" in str(caught.value)


def test_a_server_that_never_answers_is_given_up() -> None:
    from dataclasses import replace

    with running(FakeServer(delay_s=lambda n: 30.0)) as server, pytest.raises(UserError, match="E688"):
        try_once(replace(made(server.url), timeout_s=0.1))


def test_nobody_at_the_address_is_said() -> None:
    with pytest.raises(UserError, match="cannot connect"):
        try_once(made("127.0.0.1:9"))
