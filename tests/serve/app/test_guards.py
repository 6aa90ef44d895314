from __future__ import annotations

import asyncio
import base64
import hashlib
import subprocess

import pytest

from burnish.serve.app.guards import grpc_guard, http_guard
from burnish.serve.app.keys import Keys
from burnish.serve.observe.dashboard import Dashboard
from burnish.serve.status import Code
from tests.serve.http.fake_core import Running
from tests.serve.observe.fakes import FakeVersion, fake_server
from tests.serve.observe.test_dashboard import CHROMIUM, routed

ALL = (
    "health", "metadata", "inference", "shared-memory", "model-config", "model-repository", "statistics", "trace",
    "logging",
)  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text("".join(f"{r} sha256:{hashlib.sha256(r.encode()).hexdigest()}\n" for r in ("admin", "infer")))
    return Keys(path)


def allowed(check, headers):
    return {area for area in ALL if check(area, headers) is None}


def test_without_keys_and_restrictions_nobody_is_asked():
    assert http_guard(None, {}) is None
    assert grpc_guard(None, {}) is None


def test_each_role_goes_where_it_may(keys):
    check = http_guard(keys, {})
    assert allowed(check, {}) == {"health"}
    assert allowed(check, {b"x-api-key": b"other"}) == {"health"}
    infer = {"health", "metadata", "inference", "shared-memory", "model-config", "statistics"}
    assert allowed(check, {b"authorization": b"Bearer infer"}) == infer
    assert allowed(check, {b"x-api-key": b"infer"}) == infer
    assert allowed(check, {b"authorization": b"bearer  admin"}) == set(ALL)


def test_a_refusal_says_what_is_missing(keys):
    check = http_guard(keys, {})
    assert check("inference", {}).code is Code.UNAUTHENTICATED
    assert check("inference", {b"x-api-key": b"no"}).code is Code.UNAUTHENTICATED
    refused = check("logging", {b"x-api-key": b"infer"})
    assert (refused.code, refused.message) == (
        Code.PERMISSION_DENIED, "logging needs the role admin, and this API key has infer",
    )  # fmt: skip


def test_a_browser_may_look_with_a_key_as_its_password_and_change_nothing(keys):
    check = http_guard(keys, {})
    basic = {b"authorization": b"Basic " + base64.b64encode(b"anybody:admin")}
    assert allowed(check, basic) == {"health", "metadata", "statistics"}
    assert check("metadata", {b"authorization": b"Basic ?"}).code is Code.UNAUTHENTICATED


def test_metadata_of_grpc_is_read_alike(keys):
    check = grpc_guard(keys, {})
    assert check("inference", (("authorization", "Bearer infer"),)) is None
    assert check("model-repository", (("x-api-key", b"admin"),)) is None
    assert check("model-repository", (("x-api-key", "infer"),)).code is Code.PERMISSION_DENIED


def test_restricted_apis_answer_as_tritons_do(keys):
    check = http_guard(None, {"metadata": ("K", "v")})
    refused = check("metadata", {b"k": b"w"})
    assert (refused.code.http, refused.message) == (403, "This API is restricted, expecting header 'K'")
    assert check("metadata", {b"k": b"v"}) is None
    assert check("inference", {}) is None
    check = grpc_guard(None, {"health": ("triton-grpc-protocol-k", "v")})
    refused = check("health", ())
    assert refused.code is Code.UNAVAILABLE
    assert refused.message == "This protocol is restricted, expecting header 'triton-grpc-protocol-k'"
    assert check("health", (("triton-grpc-protocol-k", "v"),)) is None
    assert http_guard(keys, {"health": ("k", "v")})("health", {b"k": b"v"}) is None


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, of Debian's package of that name")
def test_a_browser_shows_the_page_once_it_has_the_key_as_its_password(keys, tmp_path):
    """Page and events: Chromium sends the password with both, if the answer asks for one in a way that it knows."""

    async def go():
        dashboard = Dashboard(fake_server(FakeVersion("alpha", 4)))
        page = routed(dashboard, 1.0)
        async with Running(guard=http_guard(keys, {}), pages={"/": page, "/events": page}) as running:
            command = [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom",
                f"http://anybody:infer@127.0.0.1:{running.port}/",
            ]  # fmt: skip
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
            dashboard.close()
        return done.stdout

    assert "<strong>alpha</strong><em>v4</em>" in asyncio.run(go())
