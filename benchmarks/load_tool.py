"""What the load tool itself can send: clients for HTTP and gRPC against servers that only echo.

python benchmarks/load_tool.py [--seconds 1.5] [--rounds 3] [--only NAME ...]

Each client runs in a process of its own beside a server of the same machine, in turns, and sends one 1x64 f32 tensor
again and again. Shown are requests per second, and the client's processor time for one request; the ceiling of one
process is the inverse of that. Clients that are not installed are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.grpc_request import grpc_request
from burnish.perf.client.http_request import infer_request
from burnish.perf.data.model import Input, Model
from burnish.perf.data.tensor import Tensor
from burnish.perf.load.driver import Driver
from burnish.perf.load.job import Job, connector, message_source
from burnish.perf.load.schedule import Share
from burnish.perf.options import Options
from burnish.serve.proto import grpc_service_pb2 as pb

IN_FLIGHT = (1, 8, 32)
MODEL = Model("echo", "", "", (Input("IN", "FP32", (1, 64)),), ())
STEP = (Tensor("IN", "FP32", np.zeros((1, 64), np.float32)),)
Send = Callable[[], Awaitable[object]]


def http_parts(port: int) -> tuple[str, dict[str, str], bytes]:
    """Address, headers and body of the one request."""
    head, _, body = (
        infer_request(parse_url(f"127.0.0.1:{port}", "http"), MODEL, STEP, Options("echo"))
        .render({})
        .partition(b"\r\n\r\n")
    )
    lines = [line.split(": ") for line in head.decode().split("\r\n")[1:]]
    return f"http://127.0.0.1:{port}/v2/models/echo/infer", {n: v for n, v in lines if n != "Host"}, body


async def burnish(port: int, slots: int, seconds: float, protocol: Any) -> int:
    endpoint = parse_url(f"127.0.0.1:{port}", protocol)
    options = Options("echo", protocol=protocol)
    request = (
        grpc_request(MODEL, STEP, options) if protocol == "grpc" else infer_request(endpoint, MODEL, STEP, options)
    )
    job = Job(endpoint, ((request,),), None, 10.0, False, {})
    driver = Driver(connector(job), message_source(job))
    driver.start(Share(slots))
    await asyncio.sleep(seconds)
    records = driver.take()
    await driver.stop(1.0)
    assert not records.errors, records.errors
    return len(records.times) // 6


async def loops(send: Send, slots: int, seconds: float) -> int:
    """So many loops, each of which sends again when it is answered."""
    end = time.monotonic() + seconds
    counts = [0] * slots

    async def one(slot: int) -> None:
        while time.monotonic() < end:
            await send()
            counts[slot] += 1

    await asyncio.gather(*(one(slot) for slot in range(slots)))
    return sum(counts)


async def aiohttp(port: int, slots: int, seconds: float) -> int:
    import aiohttp

    url, headers, body = http_parts(port)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send() -> None:
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()

        return await loops(send, slots, seconds)


async def httpx(port: int, slots: int, seconds: float) -> int:
    import httpx

    url, headers, body = http_parts(port)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as client:
        return await loops(lambda: client.post(url, content=body, headers=headers), slots, seconds)


async def tritonclient_http(port: int, slots: int, seconds: float) -> int:
    from tritonclient.http import aio

    client = aio.InferenceServerClient(f"127.0.0.1:{port}", conn_limit=slots)
    entry = aio.InferInput("IN", [1, 64], "FP32")
    entry.set_data_from_numpy(STEP[0].array)
    try:
        return await loops(lambda: client.infer("echo", [entry]), slots, seconds)
    finally:
        await client.close()


async def tritonclient_grpc(port: int, slots: int, seconds: float) -> int:
    from tritonclient.grpc import aio

    client = aio.InferenceServerClient(f"127.0.0.1:{port}")
    entry = aio.InferInput("IN", [1, 64], "FP32")
    entry.set_data_from_numpy(STEP[0].array)
    try:
        return await loops(lambda: client.infer("echo", [entry]), slots, seconds)
    finally:
        await client.close()


CLIENTS: dict[str, tuple[str, Callable[..., Awaitable[int]]]] = {
    "http: burnish perf": ("http", lambda *a: burnish(*a, "http")),
    "http: aiohttp": ("http", aiohttp),
    "http: httpx": ("http", httpx),
    "http: tritonclient aio": ("http", tritonclient_http),
    "grpc: burnish perf": ("grpc", lambda *a: burnish(*a, "grpc")),
    "grpc: tritonclient aio": ("grpc", tritonclient_grpc),
}


class Echo(asyncio.Protocol):
    """Answers every HTTP request with the same bytes."""

    ANSWER = json.dumps({"model_name": "echo", "model_version": "1", "outputs": []}).encode()

    def connection_made(self, transport: Any) -> None:
        import httptools

        self.transport, self.parser = transport, httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(self.ANSWER), self.ANSWER))


async def serve(protocol: str) -> None:
    if protocol == "http":
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
    else:
        import grpc

        answer = pb.ModelInferResponse(model_name="echo").SerializeToString()
        echo = grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
        handlers = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": echo})
        from concurrent.futures import ThreadPoolExecutor

        listening = grpc.server(ThreadPoolExecutor(8))
        listening.add_generic_rpc_handlers((handlers,))
        print(listening.add_insecure_port("127.0.0.1:0"), flush=True)
        listening.start()
    await asyncio.to_thread(sys.stdin.read)


def client(name: str, port: int, slots: int, seconds: float) -> None:
    import uvloop

    act = CLIENTS[name][1]
    uvloop.run(act(port, slots, seconds / 5))  # warm up
    start, used = time.monotonic(), time.process_time()
    count = uvloop.run(act(port, slots, seconds))
    print(json.dumps([count / (time.monotonic() - start), 1e6 * (time.process_time() - used) / max(count, 1)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        import uvloop

        uvloop.run(serve(options.serve))
        return
    if options.client:
        name, port, slots = options.client
        client(name, int(port), int(slots), options.seconds)
        return
    chosen = [name for name in CLIENTS if not options.only or any(o in name for o in options.only)]
    found: dict[tuple[str, int], list[list[float]]] = {}
    for _, slots, name in itertools.product(range(options.rounds), IN_FLIGHT, chosen):
        if (row := in_turn(name, slots, options.seconds)) is not None:
            found.setdefault((name, slots), []).append(row)
    print(f"{'client':<26}{'in flight':>10}{'per s':>10}{'us a request':>15}{'ceiling, per s':>16}")
    for (name, slots), rows in sorted(found.items(), key=lambda item: (chosen.index(item[0][0]), item[0][1])):
        rate, cost = (statistics.median(values) for values in zip(*rows, strict=True))
        print(f"{name:<26}{slots:>10}{rate:>10.0f}{cost:>15.1f}{1e6 / cost:>16.0f}")


def in_turn(name: str, slots: int, seconds: float) -> list[float] | None:
    """Requests per second and processor time a request [us]; None if the client is not installed."""
    command = [sys.executable, __file__, "--seconds", str(seconds)]
    server = subprocess.Popen(
        [*command, "--serve", CLIENTS[name][0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None and server.stdin is not None
    port = server.stdout.readline().strip()
    done = subprocess.run([*command, "--client", name, port, str(slots)], capture_output=True, text=True)
    server.stdin.close()
    server.stdout.close()
    server.wait()
    if done.returncode:
        print(f"{name} is left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return list(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
