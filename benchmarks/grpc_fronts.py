"""Which gRPC server for `burnish serve`: each echoes an identity model's 1x64 f32 to tritonclient's aio client.

    python benchmarks/grpc_fronts.py [--fronts burnish,grpcio-8,h2 ...] [--triton VENV] [--rounds 5] [--seconds 1.5]

In turns: each round starts every server anew, warms it up, and measures requests/s with 1, 8 and 32 calls in flight on
one channel, and what the server's processes compute for each request; each round has another order. All parse the same
request and write the same answer with protobuf, so what differs is the way there. Needs, beside the project's own:
`pip install tritonclient[grpc] grpclib h2 jh2 pyvoy`, and for --triton a virtual environment with nvidia-pytriton: its
binary serves a Python model with dynamic batching.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import multiprocessing
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

from alone import preferred
from real_triton import command_of_triton

METHOD = "/inference.GRPCInferenceService/ModelInfer"
IN_FLIGHT = (1, 8, 32)
HOST = "127.0.0.1"


def answer(request: bytes) -> bytes:
    """What an identity model answers."""
    from tritonclient.grpc import service_pb2

    asked = service_pb2.ModelInferRequest.FromString(request)
    reply = service_pb2.ModelInferResponse(model_name=asked.model_name, model_version="1", id=asked.id)
    given = asked.inputs[0]
    out = reply.outputs.add(name="OUT", datatype=given.datatype)
    out.shape.extend(given.shape)
    reply.raw_output_contents.append(asked.raw_input_contents[0])
    return reply.SerializeToString()


# The servers.


def burnish(port: int) -> None:
    import uvloop

    from burnish.serve.grpc.transport.call import Unary
    from burnish.serve.grpc.transport.server import GrpcServer

    async def serve() -> None:
        await GrpcServer({METHOD: Unary(lambda message, call: answer(message))}).listen(HOST, port)
        await asyncio.Event().wait()

    uvloop.run(serve())


def generic(behaviour: Callable[..., Any]) -> Any:
    """A handler on raw bytes, without protobuf's serializers in between."""
    import grpc

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(behaviour) if details.method == METHOD else None

    return Handler()


def grpcio(port: int, threads: int = 8, options: Any = ()) -> None:
    import grpc

    handler = generic(lambda request, context: answer(request))
    server = grpc.server(futures.ThreadPoolExecutor(threads), handlers=[handler], options=options)
    server.add_insecure_port(f"{HOST}:{port}")
    server.start()
    server.wait_for_termination()


def grpcio_processes(port: int) -> None:
    """Two processes that accept on one port."""
    options = (("grpc.so_reuseport", 1),)
    workers = [multiprocessing.Process(target=grpcio, args=(port, 4, options), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def grpc_aio(port: int, uv: bool = False) -> None:
    import grpc

    async def behaviour(request: bytes, context: Any) -> bytes:
        return answer(request)

    async def serve() -> None:
        server = grpc.aio.server(handlers=[generic(behaviour)])
        server.add_insecure_port(f"{HOST}:{port}")
        await server.start()
        await server.wait_for_termination()

    importlib.import_module("uvloop" if uv else "asyncio").run(serve())


def completion_queue(port: int) -> None:
    """One thread drives grpcio's completion queue itself, without the layers of grpc._server."""
    import grpc  # noqa: F401  # sets the library up
    from grpc._cython import cygrpc

    server, queue = cygrpc.Server((("grpc.so_reuseport", 1),), False), cygrpc.CompletionQueue()
    server.register_completion_queue(queue)
    server.add_http2_port(f"{HOST}:{port}".encode())
    server.start()
    for _ in range(32):
        server.request_call(queue, queue, "new")
    while True:
        event = queue.poll()
        if event.tag == "new":
            server.request_call(queue, queue, "new")
            event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), event.call)
        elif event.tag != "done":
            operations = (
                cygrpc.SendInitialMetadataOperation((), 0),
                cygrpc.SendMessageOperation(answer(event.batch_operations[0].message()), 0),
                cygrpc.SendStatusFromServerOperation((), cygrpc.StatusCode.ok, b"", 0),
            )
            event.tag.start_server_batch(operations, "done")


def grpclib(port: int) -> None:
    import uvloop
    from grpclib.const import Cardinality, Handler
    from grpclib.encoding.base import CodecBase
    from grpclib.server import Server

    class Raw(CodecBase):
        __content_subtype__ = "proto"

        def encode(self, message: Any, message_type: Any) -> Any:
            return message

        def decode(self, data: Any, message_type: Any) -> Any:
            return data

    class Service:
        async def infer(self, stream: Any) -> None:
            await stream.send_message(answer(await stream.recv_message()))

        def __mapping__(self) -> Any:
            return {METHOD: Handler(self.infer, Cardinality.UNARY_UNARY, bytes, bytes)}

    async def serve() -> None:
        server = Server([Service()], codec=Raw())
        await server.start(HOST, port)
        await server.wait_closed()

    uvloop.run(serve())


def h2(port: int, library: str = "h2") -> None:
    """The h2 library (or jh2, whose HPACK is Rust) under uvloop, checks of headers off."""
    import uvloop

    connection, config, events = (importlib.import_module(f"{library}.{m}") for m in ("connection", "config", "events"))
    off = dict.fromkeys(("validate_inbound_headers", "validate_outbound_headers", "normalize_outbound_headers"), False)
    begin = ((b":status", b"200"), (b"content-type", b"application/grpc"))

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport, self.bodies = transport, {}
            self.h2 = connection.H2Connection(config.H2Configuration(client_side=False, **off))
            self.h2.initiate_connection()
            transport.write(self.h2.data_to_send())

        def data_received(self, data: bytes) -> None:
            for event in self.h2.receive_data(data):
                stream = getattr(event, "stream_id", 0)
                if isinstance(event, events.RequestReceived):
                    self.bodies[stream] = b""
                elif isinstance(event, events.DataReceived):
                    self.bodies[stream] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, events.StreamEnded):
                    body = answer(self.bodies.pop(stream)[5:])
                    self.h2.send_headers(stream, begin)
                    self.h2.send_data(stream, struct.pack(">BI", 0, len(body)) + body)
                    self.h2.send_headers(stream, ((b"grpc-status", b"0"),), end_stream=True)
            self.transport.write(self.h2.data_to_send())

    async def serve() -> None:
        await asyncio.get_running_loop().create_server(Protocol, HOST, port)
        await asyncio.Event().wait()

    uvloop.run(serve())


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """gRPC as an ASGI application, for servers that can send trailers."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    reply = answer(body[5:])
    headers = [(b"content-type", b"application/grpc")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    await send({"type": "http.response.body", "body": struct.pack(">BI", 0, len(reply)) + reply, "more_body": False})
    await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")], "more_trailers": False})


def pyvoy(port: int) -> None:
    os.chdir(Path(__file__).parent)
    program = Path(sys.executable).with_name("pyvoy")
    os.execv(program, [str(program), "grpc_fronts:asgi", "--address", HOST, "--port", str(port)])


FRONTS: dict[str, Callable[[int], None]] = {
    "burnish": burnish,
    "grpcio-8": grpcio,
    "grpcio-1": lambda port: grpcio(port, 1),
    "grpcio-processes": grpcio_processes,
    "completion-queue": completion_queue,
    "grpc.aio": grpc_aio,
    "grpc.aio-uvloop": lambda port: grpc_aio(port, True),
    "grpclib": grpclib,
    "h2": h2,
    "jh2": lambda port: h2(port, "jh2"),
    "pyvoy": pyvoy,
}

# The measurement.


async def load(port: int, seconds: float, server: int, alone: bool) -> None:
    """Prints requests/s, and what the server computes for each [us], for each number in flight."""
    import numpy as np
    import tritonclient.grpc.aio as client

    given = np.arange(64, dtype=np.float32).reshape(1, 64)

    async def infer(target: Any) -> Any:
        tensor = client.InferInput("IN", [1, 64], "FP32")
        tensor.set_data_from_numpy(given)
        return await target.infer("identity", [tensor])

    async with client.InferenceServerClient(f"{HOST}:{port}") as target:
        assert ((await infer(target)).as_numpy("OUT") == given).all()

        async def repeat(until: float) -> int:
            count = 0
            while time.perf_counter() < until:
                await infer(target)
                count += 1
            return count

        for flight in IN_FLIGHT:
            await asyncio.gather(*(repeat(time.perf_counter() + 0.2) for _ in range(flight)))
            with preferred(lambda: [pid for pid, _ in processes(server)]) if alone else contextlib.nullcontext():
                start, before = time.perf_counter(), cpu_s(server)
                counts = await asyncio.gather(*(repeat(start + seconds) for _ in range(flight)))
                spent_s = time.perf_counter() - start
            if alone:
                await asyncio.sleep(seconds)  # the others' turn
            print(sum(counts) / spent_s, (cpu_s(server) - before) / sum(counts) * 1e6, flush=True)


def cpu_s(group: int) -> float:
    """What the processes of a group have computed so far."""
    return sum(ticks for _, ticks in processes(group)) / os.sysconf("SC_CLK_TCK")


def processes(group: int) -> list[tuple[int, int]]:
    """Each process of a group, and the ticks of the clock that it has computed."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                found.append((int(path.parent.name), int(fields[11]) + int(fields[12])))
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def wait_for(port: int, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not listen")


def turn(command: list[str], environment: dict[str, str], port: int, options: argparse.Namespace) -> list[float]:
    """Start one server, measure it, stop it; two numbers for each number in flight."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True, **quiet)
    try:
        wait_for(port)
        time.sleep(0.5)
        client = [sys.executable, __file__, "load", str(port), str(options.seconds), str(server.pid)]
        client += ["alone"] if options.alone else []
        found = subprocess.run(client, capture_output=True, text=True, timeout=120)
        return [float(line) for line in found.stdout.split()] if found.returncode == 0 else []
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def compare(options: argparse.Namespace) -> None:
    names = options.fronts.split(",") + (["triton"] if options.triton else [])
    seen: dict[str, list[list[float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(options.rounds):
            for name in random.Random(round_).sample(names, len(names)):
                port = free_port()
                command, environment = [sys.executable, __file__, "serve", name, str(port)], {}
                if name == "triton":
                    command = command_of_triton(options.triton, port, Path(folder))
                    environment = {"PATH": f"{options.triton}/bin:{os.environ['PATH']}"}
                seen[name].append(turn(command, environment, port, options))
                print(f"{round_} {name}: {[round(x) for x in seen[name][-1]]}", file=sys.stderr, flush=True)
    heads = [f"{n} in flight | us" for n in IN_FLIGHT]
    print(f"| server | {' | '.join(heads)} |\n|---|{'---|' * 2 * len(IN_FLIGHT)}")
    for name, rounds in seen.items():
        columns = list(zip(*(r for r in rounds if r)))
        cells = [f"{statistics.median(c):,.0f} ({min(c):,.0f} to {max(c):,.0f})" for c in columns]
        print(f"| {name} | {' | '.join(cells) or 'failed'} |")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        FRONTS[sys.argv[2]](int(sys.argv[3]))
        return
    if sys.argv[1:2] == ["load"]:
        asyncio.run(load(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), len(sys.argv) > 5))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fronts", default=",".join(FRONTS))
    parser.add_argument("--triton", type=Path, help="a virtual environment with nvidia-pytriton")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--alone", action="store_true", help="measure at real-time priority, in turns with other work")
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
