"""`burnish serve`: a model repository, a plan or an ONNX file over HTTP and gRPC."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from burnish.cli.options import TrustedKey
from burnish.cli.output import note
from burnish.cli.serve import words as w
from burnish.cli.serve.read_options import read_options
from burnish.errors import EnvironmentProblem, UserError

if TYPE_CHECKING:
    from burnish.serve.app.options import ServeOptions
    from burnish.serve.app.started import Started

__all__ = ["demand_packages", "serve"]

LOG_FORMATS = ("text", "json")


def serve(
    places: w.Places,
    host: w.Host = "127.0.0.1",
    http_port: w.HttpPort = "8000",
    grpc_port: w.GrpcPort = "8001",
    metrics_port: w.MetricsPort = "8002",
    control: w.Control = "none",
    load: w.Load = None,
    poll_seconds: w.PollSeconds = 15.0,
    exit_on_error: w.ExitOnError = True,
    workers: w.Workers = 0,
    busy_poll_us: w.BusyPollUs = 500,
    cache_mb: w.CacheMb = 0.0,
    memory_gb: w.MemoryGb = 0.0,
    build_memory: w.BuildMemory = "0",
    build_cache: w.BuildCache = None,
    trusted_key: TrustedKey = None,
    tls_cert: w.TlsCert = None,
    tls_key: w.TlsKey = None,
    tls_client_ca: w.TlsClientCa = None,
    keys: w.Keys = None,
    shared_memory: w.SharedMemory = False,
    max_body_mb: w.MaxBodyMb = 1024.0,
    max_requests: w.MaxRequests = 10_000,
    drain_seconds: w.DrainSeconds = 30.0,
    log_format: w.LogFormat = "text",
    ray: w.Ray = None,
    replicas: w.Replicas = "2",
    replica_requests: w.ReplicaRequests = 16.0,
    replica_cores: w.ReplicaCores = 1.0,
) -> None:
    """Serve models over the KServe v2 protocol, HTTP and gRPC, as Triton's clients know it, until SIGTERM or Ctrl-C."""
    given = dict(locals())
    if log_format not in LOG_FORMATS:
        raise UserError("E642", f"--log-format does not take '{log_format}'", why="it takes text or json")
    demand_packages()
    if ray is not None:
        from burnish.cli.serve.on_ray import serve_on_ray

        serve_on_ray(places, given)
        return
    from burnish.serve.app.model_files import repositories_of

    with repositories_of(places) as repositories:
        _serve(read_options(given, repositories), log_format)


def demand_packages() -> None:
    """E644 if what a server needs is not installed."""
    try:
        import burnish.serve.app.run  # noqa: F401
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name == "burnish":
            raise
        raise EnvironmentProblem(
            "E644", f"a server needs the package {name}", hint="pip install 'burnish[serve]'"
        ) from None


def _serve(options: ServeOptions, log_format: str) -> None:
    """E643 if a model could not be loaded and the server was to end then."""
    from burnish.cli.serve.show_start import start_text
    from burnish.serve.app.run import run
    from burnish.serve.observe.log_settings import LogSetting

    refused: list[str] = []

    def started(where: Started, failed: list[str]) -> None:
        if failed and options.server.exit_on_error:
            refused.extend(failed)
        else:
            note(start_text(where, options.http_tls is not None))

    run(replace(options, logs=LogSetting(format=log_format)), started)
    if refused:
        raise UserError(
            "E643",
            "a model could not be loaded" if len(refused) == 1 else f"{len(refused)} models could not be loaded",
            why="\n         ".join(message.strip() for message in refused),
            hint="mend it, or serve the others with --no-exit-on-error",
        )
