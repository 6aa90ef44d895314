"""The options of `burnish serve` as what a server is started with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.arguments import parse_size
from burnish.errors import UserError
from burnish.version import __version__

if TYPE_CHECKING:
    from burnish.serve.app.options import ServeOptions, Tls

CONTROLS = ("none", "poll", "explicit")
_MIB, _GIB = 1 << 20, 1 << 30


def read_options(given: Mapping[str, Any], repositories: tuple[Path, ...]) -> ServeOptions:
    """E642 for what does not go together or is out of range."""
    from burnish.serve.app.options import ServeOptions, build_cache_folder
    from burnish.serve.core.server import ServerOptions

    control, load = str(given["control"]), tuple(given["load"] or ())
    if control not in CONTROLS:
        raise _bad("--control", control, f"one of {', '.join(CONTROLS)}")
    if load and control != "explicit":
        raise UserError(
            "E642", "--load is for --control explicit alone", hint="add --control explicit, or leave it out"
        )
    keys: Path | None = given["keys"]
    if keys is not None:
        from burnish.serve.app.keys import Keys

        Keys(keys)
    body_bytes = int(given["max_body_mb"] * _MIB)
    server = ServerOptions(
        repositories,
        control,
        load,
        float(given["poll_seconds"]),
        exit_on_error=bool(given["exit_on_error"]),
        version=__version__,
        most_requests=int(given["max_requests"]),
        most_bytes=max(ServerOptions.most_bytes, 2 * body_bytes),
    )
    tls = _tls(given)
    return ServeOptions(
        server,
        host=str(given["host"]),
        http_port=_port("--http-port", given["http_port"]),
        grpc_port=_port("--grpc-port", given["grpc_port"]),
        metrics_port=_port("--metrics-port", given["metrics_port"]),
        http_tls=tls,
        grpc_tls=tls,
        cache_bytes=int(given["cache_mb"] * _MIB),
        workers=int(given["workers"]),
        busy_poll_us=int(given["busy_poll_us"]),
        memory_bytes=int(given["memory_gb"] * _GIB),
        build_cache=given["build_cache"] or build_cache_folder(),
        build_bytes=parse_size(given["build_memory"], "--build-memory"),
        trusted_key=_trusted(given["trusted_key"]),
        keys=keys,
        shared_memory=bool(given["shared_memory"]),
        drain_s=float(given["drain_seconds"]),
        body_bytes=body_bytes,
    )


def _tls(given: Mapping[str, Any]) -> Tls | None:
    certificate, key, authority = given["tls_cert"], given["tls_key"], given["tls_client_ca"]
    if certificate is None and key is None and authority is None:
        return None
    if certificate is None or key is None:
        raise UserError("E642", "TLS needs a certificate and its key", hint="give both --tls-cert and --tls-key")
    from burnish.serve.app.options import Tls
    from burnish.serve.app.tls import tls_context

    tls = Tls(certificate, key, authority)
    tls_context(tls)
    return tls


def _port(option: str, text: str) -> int | None:
    if text == "off":
        return None
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 16):
        raise _bad(option, text, "a number from 0 to 65535, or off")
    return int(text)


def _trusted(key: str | None) -> bytes | None:
    """Read now, so that a key that is none shows before anything is loaded."""
    if key is None:
        return None
    from burnish.plan.signature import public_key_bytes

    return public_key_bytes(key)


def _bad(option: str, text: str, takes: str) -> UserError:
    return UserError("E642", f"{option} does not take '{text}'", why=f"it takes {takes}")
