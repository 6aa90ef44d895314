from __future__ import annotations

from pathlib import Path

import pytest

from burnish.cli.serve.read_options import read_options
from burnish.errors import UserError
from burnish.serve.app.options import ServeOptions
from burnish.serve.core.server import ServerOptions

GIVEN = {
    "busy_poll_us": 500,
    "control": "none", "load": None, "poll_seconds": 15.0, "exit_on_error": True, "host": "127.0.0.1",
    "http_port": "8000", "grpc_port": "8001", "metrics_port": "8002", "cache_mb": 0.0, "workers": 0, "memory_gb": 0.0,
    "build_memory": "0", "build_cache": None, "trusted_key": None, "tls_cert": None, "tls_key": None,
    "tls_client_ca": None, "keys": None, "shared_memory": False, "max_body_mb": 1024.0, "max_requests": 10_000,
    "drain_seconds": 30.0,
}  # fmt: skip


def test_sizes_are_bytes_and_a_port_may_be_off():
    given = {**GIVEN, "cache_mb": 1.5, "memory_gb": 2.0, "build_memory": "512M", "grpc_port": "off", "http_port": "0"}
    found = read_options(given, (Path("r"),))
    assert (found.cache_bytes, found.memory_bytes, found.build_bytes) == (3 << 19, 2 << 30, 512 << 20)
    assert (found.http_port, found.grpc_port, found.metrics_port) == (0, None, 8002)
    assert found.server.repositories == (Path("r"),)


def test_one_body_that_is_allowed_always_fits():
    found = read_options({**GIVEN, "max_body_mb": 4096.0, "max_requests": 7}, ())
    assert (found.server.most_requests, found.server.most_bytes, found.body_bytes) == (7, 8 << 30, 4 << 30)


def test_the_event_loop_polls_for_as_long_as_is_said():
    assert read_options({**GIVEN, "busy_poll_us": 0}, ()).busy_poll_us == 0
    assert read_options(GIVEN, ()).busy_poll_us == ServeOptions(ServerOptions(())).busy_poll_us


def test_a_trusted_key_is_read_before_anything_is_loaded():
    assert read_options({**GIVEN, "trusted_key": "ab" * 32}, ()).trusted_key == b"\xab" * 32
    with pytest.raises(UserError, match="E414"):
        read_options({**GIVEN, "trusted_key": "no/such/file"}, ())


def test_a_certificate_that_is_none_is_refused_before_anything_is_loaded(tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(UserError, match="E645"):
        read_options({**GIVEN, "tls_cert": wrong, "tls_key": wrong}, ())
