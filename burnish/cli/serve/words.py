"""The options of `burnish serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Texts = list[str] | None
Places = Annotated[
    list[Path],
    typer.Argument(
        metavar="REPOSITORY...",
        help="Model repositories (folders of model folders, as Triton lays them out), plans or ONNX files.",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; 0.0.0.0 is all of them.")]
HttpPort = Annotated[
    str, typer.Option("--http-port", metavar="PORT", help="Port for HTTP; 0: any that is free, off: none.")
]
GrpcPort = Annotated[
    str, typer.Option("--grpc-port", metavar="PORT", help="Port for gRPC; 0: any that is free, off: none.")
]
MetricsPort = Annotated[
    str, typer.Option("--metrics-port", metavar="PORT", help="Port for metrics; 0: any that is free, off: none.")
]
Control = Annotated[
    str,
    typer.Option(
        "--control",
        metavar="MODE",
        help="Which models are loaded. none: all, once; poll: as the repository changes; explicit: on request.",
    ),
]
Load = Annotated[
    Texts,
    typer.Option(
        "--load",
        metavar="MODEL",
        help="With --control explicit: load this model at the start, or all with *. Repeatable.",
    ),
]
PollSeconds = Annotated[
    float,
    typer.Option("--poll-seconds", min=0.05, help="With --control poll: seconds between looks at the repository."),
]
ExitOnError = Annotated[
    bool,
    typer.Option(
        "--exit-on-error/--no-exit-on-error",
        help="End if a model cannot be loaded at the start, or serve the others.",
    ),
]
Workers = Annotated[
    int, typer.Option("--workers", min=0, help="Threads that models run on; 0: as many as there are cores.")
]
BusyPollUs = Annotated[
    int,
    typer.Option(
        "--busy-poll-us",
        min=0,
        max=10_000,
        help="While requests follow each other within this time, look for the next one instead of sleeping; 0: never.",
    ),
]
CacheMb = Annotated[
    float, typer.Option("--cache-mb", min=0.0, help="Size of the response cache in MiB; 0: there is none.")
]
MemoryGb = Annotated[
    float,
    typer.Option(
        "--memory-gb",
        min=0.0,
        help="Most memory of all loaded models in GiB. Those unused for longest are unloaded first; 0: no limit.",
    ),
]
BuildMemory = Annotated[
    str,
    typer.Option(
        "--build-memory", metavar="SIZE", help="Most memory that the build of an ONNX file may use: 4GiB; 0: no limit."
    ),
]
BuildCache = Annotated[
    Path | None,
    typer.Option(
        "--build-cache",
        metavar="FOLDER",
        help="Where plans built from ONNX files are kept (default: ~/.cache/burnish/serve).",
    ),
]
TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="Serve over TLS with this certificate (PEM).")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="The certificate's key (PEM).")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-ca", metavar="FILE", help="Clients must show a certificate that this authority signed (PEM)."
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", help="API keys and their roles. The file is read again when it changes."),
]
SharedMemory = Annotated[
    bool, typer.Option("--shared-memory", help="Let clients register regions of this machine's shared memory.")
]
MaxBodyMb = Annotated[
    float, typer.Option("--max-body-mb", min=0.01, help="Largest body of a request in MiB, also once decompressed.")
]
MaxRequests = Annotated[
    int,
    typer.Option("--max-requests", min=1, help="Most requests under way, queued or running; further ones get a 503."),
]
DrainSeconds = Annotated[
    float, typer.Option("--drain-seconds", min=0.0, help="How long requests may still take after SIGTERM or Ctrl-C.")
]
LogFormat = Annotated[
    str, typer.Option("--log-format", metavar="FORMAT", help="Form of the log's lines: text or json.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Serve on the Ray cluster at this address, HOST:PORT, or auto for the one on this machine; end at once.",
        show_default=False,
    ),
]
Replicas = Annotated[
    str,
    typer.Option("--replicas", metavar="N", help="With --ray: how many replicas; 2:8 for as many as are needed."),
]
ReplicaRequests = Annotated[
    float,
    typer.Option(
        "--replica-requests",
        min=0.1,
        help="With --ray: requests under way per replica above which replicas are added.",
    ),
]
ReplicaCores = Annotated[
    float, typer.Option("--replica-cores", min=0.0, help="With --ray: cores that each replica reserves.")
]
