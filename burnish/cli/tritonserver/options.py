"""tritonserver's flags as what a server is started with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.cli.tritonserver.read_flags import Given, bad, read_number
from burnish.cli.tritonserver.trace_flags import telemetry_of, trace_setting
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.serve.app.options import ServeOptions, Tls
    from burnish.serve.core.server import ServerOptions
    from burnish.serve.observe.log_settings import LogSetting

NAME, VERSION = "triton", "2.51.0"  # what clients that look for Triton find
AREAS = (
    "health", "metadata", "inference", "shared-memory", "model-config", "model-repository", "statistics", "trace",
    "logging",
)  # fmt: skip
COMPRESSION = {"none": 0, "low": 1, "medium": 6, "high": 9}
GLOBAL = -1
_PORTS = (1 << 16) - 1


def options_of(given: Given) -> ServeOptions:
    """E640 without a repository, E648 for a value that a flag does not take."""
    from burnish.serve.app.options import ServeOptions

    host = given.text("http-address", "0.0.0.0")
    return ServeOptions(
        _server(given),
        host=host,
        http_port=given.number("http-port", 8000, 0, _PORTS) if given.flag("allow-http", True) else None,
        grpc_port=given.number("grpc-port", 8001, 0, _PORTS) if given.flag("allow-grpc", True) else None,
        metrics_port=given.number("metrics-port", 8002, 0, _PORTS) if given.flag("allow-metrics", True) else None,
        grpc_host=given.text("grpc-address", "0.0.0.0"),
        metrics_host=given.text("metrics-address", host),
        reuse_http_port=given.flag("reuse-http-port"),
        reuse_grpc_port=given.flag("reuse-grpc-port"),
        grpc_tls=_tls(given),
        grpc_compression=_compression(given),
        http_restricted=_restricted(given, "http-restricted-api"),
        grpc_restricted=_restricted(given, "grpc-restricted-protocol", "triton-grpc-protocol-"),
        cache_bytes=_cache_bytes(given),
        resources=_resources(given),
        is_rate_limited=_is_rate_limited(given),
        shared_memory=True,
        drain_s=float(given.number("exit-timeout-secs", 30)),
        body_bytes=given.number("http-max-input-size", 1 << 30, 1),
        http_forward=_forward(given, "http-header-forward-pattern"),
        grpc_forward=_forward(given, "grpc-header-forward-pattern"),
        message_bytes=(1 << 31) - 1,  # Triton's only limit over gRPC
        logs=_logs(given),
        traces=trace_setting(given),
        telemetry=telemetry_of(given),
    )


def _server(given: Given) -> ServerOptions:
    from burnish.serve.core.server import ServerOptions

    repositories = tuple(Path(text) for text in given.all("model-store", "model-repository"))
    if not repositories:
        raise UserError("E640", "no model repository is given", hint="give it with --model-repository=FOLDER")
    control, load = given.text("model-control-mode", "none"), tuple(given.all("load-model"))
    if control not in ("none", "poll", "explicit"):
        raise bad("model-control-mode", control, "it takes none, poll or explicit")
    if load and control != "explicit":
        raise UserError("E648", "--load-model is for --model-control-mode=explicit alone")
    if "*" in load and len(set(load)) > 1:
        raise UserError("E648", "--load-model=* stands for all models and goes with no other --load-model")
    name = given.text("model-config-name")
    if any(c.isspace() for c in name) or "/" in name:
        raise bad("model-config-name", name, "it takes a name without spaces and slashes")
    return ServerOptions(
        repositories,
        control,
        load,
        float(given.number("repository-poll-secs", 15, 1)),
        is_strict=given.flag("strict-readiness", True),
        exit_on_error=given.flag("exit-on-error", True),
        retries=given.number("model-load-retry-count", 0),
        config_name=name,
        may_complete=not ("disable-auto-complete-config" in given.values or given.flag("strict-model-config")),
        name=given.text("id", NAME),
        version=VERSION,
    )


def _tls(given: Given) -> Tls | None:
    is_mutual = given.flag("grpc-use-ssl-mutual")
    if not (is_mutual or given.flag("grpc-use-ssl")):
        return None
    from burnish.serve.app.options import Tls
    from burnish.serve.app.tls import tls_context

    names = ("grpc-server-cert", "grpc-server-key", *(("grpc-root-cert",) if is_mutual else ()))
    for name in names:
        if not given.text(name):
            raise UserError("E648", f"gRPC over TLS needs --{name}", hint=f"--{name}=FILE.pem")
    tls = Tls(*(Path(given.text(name)) for name in names))
    tls_context(tls)
    return tls


def _compression(given: Given) -> int:
    name = "grpc-infer-response-compression-level"
    level = given.text(name, "none")
    if level not in COMPRESSION:
        raise bad(name, level, f"it takes {', '.join(COMPRESSION)}")
    return COMPRESSION[level]


def _forward(given: Given, flag: str) -> str:
    pattern = given.text(flag)
    try:
        re.compile(pattern)
    except re.error as error:
        raise bad(flag, pattern, f"it takes a regular expression: {error}") from None
    return pattern


def _restricted(given: Given, flag: str, prefix: str = "") -> dict[str, tuple[str, str]]:
    """Area -> (header, value)."""
    found: dict[str, tuple[str, str]] = {}
    for text in given.all(flag):
        areas, colon, pair = text.partition(":")
        key, equals, value = pair.partition("=")
        if not (colon and equals and key):
            raise bad(flag, text, "it takes APIS:KEY=VALUE, for example model-repository,logging:admin-key=secret")
        for area in areas.split(","):
            if area not in AREAS or area in found:
                why = "is named twice" if area in found else f"is not one of {', '.join(AREAS)}"
                raise bad(flag, text, f"'{area}' {why}")
            found[area] = prefix + key.lower(), value
    return found


def _cache_bytes(given: Given) -> int:
    size = given.number("response-cache-byte-size", 0)
    for text in given.all("cache-config"):
        name, comma, pair = text.partition(",")
        key, equals, value = pair.partition("=")
        if not (comma and equals):
            raise bad("cache-config", text, "it takes local,size=BYTES")
        if name != "local":
            raise bad("cache-config", text, "the cache is in this server's memory: local,size=BYTES")
        if key != "size":
            raise bad("cache-config", text, "the local cache has a size and nothing else: local,size=BYTES")
        size = read_number("--cache-config", value)
    return size


def _is_rate_limited(given: Given) -> bool:
    mode = given.text("rate-limit", "off")
    if mode not in ("off", "execution_count"):
        raise bad("rate-limit", mode, "it takes off or execution_count")
    return mode != "off"


def _resources(given: Given) -> dict[tuple[str, int], int]:
    """(name, device or GLOBAL) -> how many there are."""
    found: dict[tuple[str, int], int] = {}
    for text in given.all("rate-limit-resource"):
        name, *numbers = text.split(":")
        if not name or len(numbers) not in (1, 2):
            raise bad("rate-limit-resource", text, "it takes NAME:COUNT or NAME:COUNT:DEVICE")
        count, *device = (read_number("--rate-limit-resource", number) for number in numbers)
        found[name, device[0] if device else GLOBAL] = count
    return found


def _logs(given: Given) -> LogSetting:
    from burnish.serve.observe.log_settings import LogSetting

    form = given.text("log-format", "default")
    if form not in ("default", "ISO8601"):
        raise bad("log-format", form, "it takes default or ISO8601")
    return LogSetting(
        file=given.text("log-file"),
        info=given.flag("log-info", True),
        warning=given.flag("log-warning", True),
        error=given.flag("log-error", True),
        verbose_level=given.number("log-verbose", 0),
        format=form,
    )
