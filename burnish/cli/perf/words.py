"""The options of `burnish perf`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Texts = list[str] | None
Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name on the server.", show_default=False)]
Url = Annotated[
    str,
    typer.Option(
        "--url",
        "-u",
        metavar="URL",
        help="Address of the server: host:port or https://host:port "
        "(default: localhost, port 8000 for http and 8001 for grpc).",
    ),
]
Wire = Annotated[str, typer.Option("--protocol", "-i", metavar="NAME", help="Protocol to use: http or grpc.")]
Version = Annotated[
    str, typer.Option("--model-version", metavar="N", help="Version to ask for (default: the server's choice).")
]
Concurrency = Annotated[
    str,
    typer.Option(
        "--concurrency",
        metavar="LEVELS",
        help="Closed loop: numbers of requests in flight. 8, 1,2,4, 1:8:2 (start:end:step) or 1:32:*2.",
    ),
]
Rate = Annotated[str, typer.Option("--rate", metavar="LEVELS", help="Open loop: requests a second, in the same forms.")]
Arrivals = Annotated[
    str,
    typer.Option("--arrivals", metavar="NAME", help="Distances between requests of an open loop: constant or poisson."),
]
Intervals = Annotated[
    Path | None,
    typer.Option(
        "--intervals", metavar="FILE", help="Open loop: distances between requests, in microseconds, one a line."
    ),
]
MaxInFlight = Annotated[
    int,
    typer.Option(
        "--max-in-flight",
        min=1,
        help="Open loop: largest number of requests in flight; more wait in the client, and their waiting counts.",
    ),
]
Batch = Annotated[int, typer.Option("--batch", "-b", min=1, help="Batch size of each request.")]
Shapes = Annotated[
    Texts,
    typer.Option("--shape", metavar="SHAPE", help="Shape of an input, without the batch: NAME:3,224,224. Repeatable."),
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="DATA",
        help="Values of the inputs: random, zero, a JSON file as "
        "perf_analyzer takes it, an .npz file, or a folder with a file for each input.",
    ),
]
StringLength = Annotated[int, typer.Option("--string-length", min=0, help="Length of random strings.")]
StringData = Annotated[
    str | None, typer.Option("--string-data", metavar="TEXT", help="Send this text in place of random strings.")
]
Encoding = Annotated[
    str, typer.Option("--encoding", metavar="NAME", help="How tensors travel over HTTP: binary or json.")
]
Memory = Annotated[
    str, typer.Option("--shared-memory", metavar="NAME", help="Pass tensors through shared memory: none or system.")
]
OutputMemory = Annotated[
    int, typer.Option("--output-memory", min=1, metavar="BYTES", help="Shared memory for each output.")
]
Window = Annotated[float, typer.Option("--window", min=0.01, metavar="SECONDS", help="Length of a window.")]
WindowRequests = Annotated[
    int,
    typer.Option(
        "--window-requests",
        min=1,
        help="Fewest requests in a window; it goes on until they are there, up to ten times its length.",
    ),
]
MaxWindows = Annotated[
    int, typer.Option("--max-windows", min=1, help="Stop a level after this many windows, stable or not.")
]
Stability = Annotated[
    float,
    typer.Option(
        "--stability",
        min=0.0,
        metavar="PERCENT",
        help="A level ends when throughput and latency of three windows in a row lie within this of their mean.",
    ),
]
WarmUp = Annotated[float, typer.Option("--warm-up", min=0.0, metavar="SECONDS", help="Load before the first window.")]
Requests = Annotated[
    int, typer.Option("--requests", min=0, help="Measure exactly this many requests per level instead of windows.")
]
Percentile = Annotated[
    float | None,
    typer.Option(
        "--percentile",
        min=1.0,
        max=100.0,
        help="Judge stability and --latency-limit by this percentile (default: the mean).",
    ),
]
LatencyLimit = Annotated[
    float | None,
    typer.Option(
        "--latency-limit",
        min=0.0,
        metavar="MS",
        help="End the sweep at the first level above this latency. The exit code is 1 if no level keeps it.",
    ),
]
Search = Annotated[
    bool,
    typer.Option(
        "--search", help="Search between the first and the last level for the largest that keeps --latency-limit."
    ),
]
Processes = Annotated[int, typer.Option("--processes", min=1, help="Processes that send; more where one is the limit.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0.01, metavar="SECONDS", help="A request without an answer after this has failed."),
]
Streaming = Annotated[
    bool,
    typer.Option(
        "--streaming", help="Use ModelStreamInfer (grpc) or generate_stream (http), and measure each response."
    ),
]
SequenceLength = Annotated[
    int, typer.Option("--sequence-length", min=0, help="Send sequences of about this many requests. 0: no sequences.")
]
SequenceVariation = Annotated[
    float,
    typer.Option(
        "--sequence-length-variation",
        min=0.0,
        max=100.0,
        metavar="PERCENT",
        help="Sequences are up to this much shorter or longer.",
    ),
]
ActiveSequences = Annotated[
    int,
    typer.Option(
        "--sequences",
        min=1,
        help="Open loop: sequences at a time. In a closed loop each request in flight belongs to one.",
    ),
]
SequenceIds = Annotated[str, typer.Option("--sequence-ids", metavar="FIRST:LAST", help="Correlation ids to use.")]
Headers = Annotated[
    Texts,
    typer.Option("--header", "-H", metavar="NAME:VALUE", help="Header of every request (grpc: metadata). Repeatable."),
]
Parameters = Annotated[
    Texts,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        help="Parameter of every request; the value in JSON, else as text. Repeatable.",
    ),
]
Authority = Annotated[
    str, typer.Option("--ca", metavar="FILE", help="Certificates to trust (PEM; default: the system's).")
]
Certificate = Annotated[
    str, typer.Option("--certificate", metavar="FILE", help="Certificate to show to the server (PEM).")
]
Key = Annotated[str, typer.Option("--key", metavar="FILE", help="Private key of --certificate (PEM).")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of random values, arrivals and sequences.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", "-f", metavar="FILE", help="Write a line for each level.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
