"""The client of each protocol: asks the server, and turns data into requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from burnish.errors import EnvironmentProblem
from burnish.perf.client.endpoint import Endpoint, parse_url
from burnish.perf.client.shared_memory import Region, SharedMemory
from burnish.perf.data.model import Model
from burnish.perf.data.read_data import Step, Stream
from burnish.perf.load.messages import Request
from burnish.perf.options import Options


class Server(Protocol):
    """What is asked once. Answers are JSON as HTTP has it, also where gRPC brought them."""

    endpoint: Endpoint

    def identity(self) -> dict[str, Any]: ...
    def metadata(self, model: str, version: str) -> dict[str, Any]: ...
    def config(self, model: str, version: str) -> dict[str, Any] | None: ...
    def statistics(self) -> list[dict[str, Any]] | None: ...
    def register_memory(self, name: str, key: str, size_bytes: int) -> None: ...
    def unregister_memory(self, name: str) -> None: ...


def open_server(options: Options) -> Server:
    """E681 for an address that is none, E689 if a package is missing."""
    endpoint = parse_url(options.url, options.protocol, options.tls)
    try:
        if options.protocol == "grpc":
            import grpc  # noqa: F401
            import hpack  # noqa: F401

            from burnish.perf.client.grpc_server import GrpcServer

            return GrpcServer(endpoint, options.headers, options.timeout_s)
        import httptools  # noqa: F401

        from burnish.perf.client.http_server import HttpServer
    except ImportError as error:
        raise EnvironmentProblem(
            "E689",
            f"burnish perf needs the package '{error.name}', which is not installed",
            hint="pip install 'burnish[serve]'",
        ) from None
    return HttpServer(endpoint, options.headers, options.timeout_s)


@contextmanager
def prepared(
    server: Server, model: Model, streams: Sequence[Stream], options: Options
) -> Iterator[tuple[tuple[Request, ...], ...]]:
    """The requests of all steps, encoded. Until the end shared memory, if any is wanted, is there."""
    with SharedMemory(server) as memory:
        outputs = None if options.shared_memory == "none" else memory.reserve(model, options.output_memory)

        def encode(step: Step) -> Request:
            regions = (memory.put(step), outputs) if outputs is not None else None
            return _request(server.endpoint, model, step, options, regions)

        yield tuple(tuple(encode(step) for step in stream) for stream in streams)


def _request(
    endpoint: Endpoint, model: Model, step: Step, options: Options, regions: tuple[Region, Region] | None
) -> Request:
    if options.protocol == "grpc":
        from burnish.perf.client.grpc_request import grpc_request

        return grpc_request(model, step, options, regions)
    from burnish.perf.client.http_request import infer_request, stream_request

    if options.streaming:
        return stream_request(endpoint, model, step, options)
    return infer_request(endpoint, model, step, options, regions)
