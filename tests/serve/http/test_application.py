"""Paths, methods, and who may go where. The answers to unknown ones were asked of a real Triton 2.51."""

from __future__ import annotations

import asyncio

import pytest

from burnish.serve.http.wire.exchange import Exchange
from burnish.serve.status import Code, ServeError
from tests.serve.http.asking import ask, told
from tests.serve.http.fake_core import Running

JSON, TEXT = "application/json", "text/plain"


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v2/", "/v2/nonsense", "/v2/models/identity/nonsense", "/v2/models/identity/versions/abc/ready",
        "/metrics",
        "/v2/models/identity/versions/-1/ready", "/v2/models//ready", "/v2/trace/setting/", "/v2/health",
        "/v2/repository",
    ],
)  # fmt: skip
def test_unknown_paths(path: str) -> None:
    assert told(ask("GET", path)) == (404, TEXT, "Not Found")


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v2/health/live", TEXT),
        ("GET", "/v2/models/identity/infer", TEXT),
        ("GET", "/v2/models/identity/generate", JSON),
        ("POST", "/v2", JSON),
        ("POST", "/v2/models/identity", JSON),
        ("POST", "/v2/models/stats", JSON),
        ("GET", "/v2/repository/index", JSON),
        ("GET", "/v2/systemsharedmemory/region/r1/register", JSON),
        ("POST", "/v2/cudasharedmemory/status", JSON),
    ],
)
def test_other_methods(method: str, path: str, kind: str) -> None:
    assert told(ask(method, path)) == (405, kind, "Method Not Allowed")


def test_a_version_that_is_no_number_of_64_bits() -> None:
    number = "9" * 40
    message = (
        f"failed to get model version from specified version string '{number}' (details: stol), version should be an "
        "integral value > 0"
    )
    assert told(ask("GET", f"/v2/models/identity/versions/{number}")) == (400, JSON, message)
    assert told(ask("GET", f"/v2/models/identity/versions/{number}/ready")) == (400, TEXT, message)
    assert ask("GET", f"/v2/models/identity/versions/{2**63 - 1}").status == 404


def test_a_query_is_passed_over_and_a_name_is_taken_as_it_is_spelled() -> None:
    assert ask("GET", "/v2/health/live?x=1").status == 200
    assert ask("GET", "/v2/models/add%73ub/ready").status == 400


def test_a_guard_is_asked_with_the_kind_of_access() -> None:
    asked = []

    def guard(area: str, headers: dict) -> ServeError | None:
        asked.append(area)
        return ServeError(Code.PERMISSION_DENIED, "no") if headers.get(b"key") != b"secret" else None

    assert told(ask("GET", "/v2", guard=guard)) == (403, TEXT, "no")
    assert ask("GET", "/v2", b"", "Key: secret", guard=guard).status == 200
    ask("POST", "/v2/models/identity/infer", guard=guard)
    ask("POST", "/v2/repository/index", guard=guard)
    assert asked == ["metadata", "metadata", "inference", "model-repository"]


def test_a_client_without_a_key_is_told_how_to_show_one() -> None:
    """Each way on a line of its own: Chromium asks for no password if Basic stands in a list behind another."""
    refused = ask("GET", "/v2", guard=lambda area, headers: ServeError(Code.UNAUTHENTICATED, "no key"))
    ways = [value for name, value in refused.header_lines if name == "www-authenticate"]
    assert (refused.status, ways) == (401, ["Bearer", 'Basic realm="burnish"'])


def test_further_pages_can_be_added() -> None:
    def page(exchange: Exchange) -> None:
        exchange.answer(200, b"text/html", b"hello")

    assert ask("GET", "/", pages={"/": page}).body == b"hello"


def test_paths_are_remembered_within_limits() -> None:
    async def main() -> None:
        async with Running() as running:
            for i in range(3000):
                running.application._find(b"/v2/models/m%d/ready" % i)
            assert len(running.application._remembered) <= 1024
            assert (await running.get("/v2/models/identity/ready")).status == 200

    asyncio.run(main())
