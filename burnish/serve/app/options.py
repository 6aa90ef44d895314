"""What a server is started with. `burnish serve` and `burnish tritonserver` both come down to this."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from burnish.serve.core.server import ServerOptions
from burnish.serve.observe.log_settings import LogSetting
from burnish.serve.observe.trace_settings import OpenTelemetryOptions, TraceSetting
from burnish.serve.scheduling.turns import ResourceName


@dataclass(frozen=True)
class Tls:
    """PEM files. authority: clients must show a certificate that it signed."""

    certificate: Path
    key: Path
    authority: Path | None = None


@dataclass(frozen=True)
class ServeOptions:
    """Ports: 0 lets the system choose, None opens none.

    grpc_host, metrics_host            "": the same as for HTTP
    reuse_http_port, reuse_grpc_port   other processes may listen there too

    cache_bytes    of the response cache; 0 for none
    workers        threads for runs that are longer than a thread switch; 0: as many as cores
    resources      limits of the rate limiter, by name and device
    is_rate_limited  whether it is on
    max_queue_size of queues whose configuration sets none; 0: any
    memory_bytes   budget of all loaded models, beyond which the one that was used least recently goes; 0: no limit
    build_cache    where plans lie that were built from ONNX files
    build_bytes    the most memory that one build may use; 0: no limit
    trusted_key    the Ed25519 public key that must have signed each plan: a PEM file, hex or 32 bytes
    keys           a file of API keys with their roles; None: everybody may do everything
    http_restricted  and grpc_restricted: header and value without which an area of the interface is refused
    shared_memory  whether clients may register regions of system shared memory
    traces         what is traced from the start, until a client changes it
    telemetry      where traces go in the mode opentelemetry
    logs           what is logged from the start
    busy_poll_us   how long the event loop looks for the next request before it sleeps, see `busy_poll`; 0: not at all
    drain_s        how long requests under way may take after SIGTERM
    body_bytes     of a request over HTTP, also once decompressed
    message_bytes  the same over gRPC; 0: as body_bytes
    http_forward   and grpc_forward: headers whose name has this regular expression become parameters of requests
    """

    server: ServerOptions
    host: str = "127.0.0.1"
    http_port: int | None = 8000
    grpc_port: int | None = 8001
    metrics_port: int | None = 8002
    grpc_host: str = ""
    metrics_host: str = ""
    reuse_http_port: bool = False
    reuse_grpc_port: bool = False
    http_tls: Tls | None = None
    grpc_tls: Tls | None = None
    cache_bytes: int = 0
    workers: int = 0
    resources: Mapping[ResourceName, int] = field(default_factory=dict)
    is_rate_limited: bool = True
    max_queue_size: int = 0
    memory_bytes: int = 0
    build_cache: Path = field(default_factory=lambda: build_cache_folder())
    build_bytes: int = 0
    trusted_key: str | bytes | Path | None = None
    keys: Path | None = None
    http_restricted: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    grpc_restricted: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    grpc_compression: int = 0
    shared_memory: bool = False
    drain_s: float = 30.0
    traces: TraceSetting = field(default_factory=TraceSetting)
    telemetry: OpenTelemetryOptions = field(default_factory=OpenTelemetryOptions)
    busy_poll_us: int = 500
    logs: LogSetting = field(default_factory=LogSetting)
    body_bytes: int = 1 << 30
    message_bytes: int = 0
    http_forward: str = ""
    grpc_forward: str = ""


def build_cache_folder() -> Path:
    """Under the user's cache folder, as the freedesktop standard places it."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "burnish" / "serve"
