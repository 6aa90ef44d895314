from __future__ import annotations

from pathlib import Path

import pytest

from burnish.cli.tritonserver.options import options_of
from burnish.cli.tritonserver.read_flags import read_flags
from burnish.errors import UserError


def options(*words: str):
    return options_of(read_flags(["--model-repository=r", *words]))


def test_without_flags_it_is_what_triton_is_without_flags():
    found = options()
    assert (found.host, found.http_port, found.grpc_port, found.metrics_port) == ("0.0.0.0", 8000, 8001, 8002)
    assert (found.server.name, found.server.version, found.server.control) == ("triton", "2.51.0", "none")
    assert found.server.exit_on_error and found.server.is_strict and found.server.may_complete
    assert (found.cache_bytes, found.drain_s, found.is_rate_limited, found.http_restricted) == (0, 30.0, False, {})


def test_every_flag_of_the_server_has_its_effect():
    found = options(
        "--model-store=s", "--id=mine", "--model-control-mode=explicit", "--load-model=a", "--load-model=b",
        "--repository-poll-secs=3", "--exit-on-error=false", "--strict-readiness=0", "--strict-model-config=1",
        "--model-config-name=small", "--model-load-retry-count=2", "--exit-timeout-secs=5",
    )  # fmt: skip
    server = found.server
    assert server.repositories == (Path("s"), Path("r"))
    assert (server.name, server.control, server.load, server.poll_s) == ("mine", "explicit", ("a", "b"), 3.0)
    assert (server.exit_on_error, server.is_strict, server.may_complete) == (False, False, False)
    assert (server.config_name, server.retries, found.drain_s) == ("small", 2, 5.0)
    assert not options("--disable-auto-complete-config").server.may_complete


def test_every_flag_of_the_ports_has_its_effect():
    found = options(
        "--allow-http=false", "--http-address=h", "--grpc-address=g", "--grpc-port=0", "--reuse-grpc-port=1",
        "--reuse-http-port=1", "--metrics-port=7", "--grpc-infer-response-compression-level=medium",
        "--http-max-input-size=99", "--http-header-forward-pattern=x-.*", "--grpc-header-forward-pattern", "y",
    )  # fmt: skip
    assert (found.http_port, found.grpc_port, found.metrics_port) == (None, 0, 7)
    assert (found.host, found.grpc_host, found.metrics_host) == ("h", "g", "h")
    assert found.reuse_http_port and found.reuse_grpc_port
    assert (found.grpc_compression, found.body_bytes, found.message_bytes) == (6, 99, 2**31 - 1)
    assert (found.http_forward, found.grpc_forward) == ("x-.*", "y")
    assert (options("--allow-grpc=0").grpc_port, options("--allow-metrics=0").metrics_port) == (None, None)


def test_a_cache_has_its_size_in_the_new_and_in_the_old_spelling():
    assert options("--cache-config=local,size=1048576").cache_bytes == 1 << 20
    assert options("--response-cache-byte-size=7").cache_bytes == 7


def test_resources_belong_to_a_device_or_to_all():
    found = options("--rate-limit=execution_count", "--rate-limit-resource=R1:4", "--rate-limit-resource=R2:5:1")
    assert found.is_rate_limited
    assert found.resources == {("R1", -1): 4, ("R2", 1): 5}


def test_restricted_apis_have_a_header_and_a_value():
    found = options(
        "--http-restricted-api=model-repository,logging:Admin-Key=a=b", "--grpc-restricted-protocol=health:k=v"
    )
    assert found.http_restricted == {"model-repository": ("admin-key", "a=b"), "logging": ("admin-key", "a=b")}
    assert found.grpc_restricted == {"health": ("triton-grpc-protocol-k", "v")}


def test_what_is_logged():
    found = options("--log-verbose=2", "--log-info=0", "--log-format=ISO8601", "--log-file=f").logs
    assert (found.verbose_level, found.info, found.error, found.format, found.file) == (2, False, True, "ISO8601", "f")


@pytest.mark.parametrize(
    "word",
    [
        "--model-control-mode=sometimes", "--load-model=a", "--cache-config=local", "--cache-config=redis,host=h",
        "--cache-config=local,entries=5", "--cache-config=local,size=x", "--rate-limit=on", "--rate-limit-resource=R",
        "--rate-limit-resource=R:x", "--rate-limit-resource=R:1:2:3", "--http-restricted-api=secrets:k=v",
        "--http-restricted-api=health,k=v", "--http-restricted-api=health,health:k=v", "--log-format=json",
        "--grpc-infer-response-compression-level=best", "--grpc-use-ssl=1", "--model-config-name=a b",
        "--http-port=65536", "--repository-poll-secs=0", "--http-header-forward-pattern=(",
    ],
)  # fmt: skip
def test_a_value_that_a_flag_does_not_take_is_refused(word):
    with pytest.raises(UserError, match="E648"):
        options(word)


def test_all_models_and_one_more_go_not_together():
    with pytest.raises(UserError, match="E648"):
        options("--model-control-mode=explicit", "--load-model=*", "--load-model=a")


def test_a_repository_is_needed():
    with pytest.raises(UserError, match="E640"):
        options_of(read_flags(["--http-port=1"]))


def test_grpcs_certificate_is_read_before_anything_is_loaded(tmp_path):
    words = [f"--grpc-server-cert={tmp_path}/c", f"--grpc-server-key={tmp_path}/k"]
    assert options(*words).grpc_tls is None
    with pytest.raises(UserError, match="E645"):
        options("--grpc-use-ssl=true", *words)
    with pytest.raises(UserError, match="grpc-root-cert"):
        options("--grpc-use-ssl-mutual=true", *words)
