"""Which HTTP server for `burnish serve`: each echoes an identity model's 1x64 f32 to tritonclient's aio client.

    python benchmarks/http_fronts.py [--fronts burnish,uvicorn,aiohttp] [--triton VENV] [--rounds 5] [--seconds 1.5]

In turns: each round starts every server anew, warms it up, and measures requests/s with 1, 8 and 32 requests in flight,
and what the server's processes compute for each. All read the request and write the answer with the same functions of
`burnish.serve.http`, so what differs is the way there. Needs, beside the project's own: `pip install uvicorn`, and for
--triton a virtual environment with nvidia-pytriton: its binary serves a Python model with dynamic batching.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOST, PATH, IN_FLIGHT = "127.0.0.1", "/v2/models/m/infer", (1, 8, 32)
HEADER = b"inference-header-content-length"


def answer(body: bytes, header_bytes: int) -> tuple[bytes, int]:
    """What an identity model answers, and how much of it is JSON."""
    from burnish.serve.http.read_request import read_call
    from burnish.serve.http.write_response import write_response
    from burnish.serve.request import Response, Tensor

    call = read_call("m", -1, body, header_bytes, None)
    (given,) = call.request.inputs.values()
    reply = Response("m", 1, outputs=[Tensor("OUT", given.datatype, given.data)])
    head, binary = write_response(reply, call, lambda name: None, has_batch_axis=True)
    return b"".join([head, *binary]), len(head)


def burnish(port: int) -> None:
    import uvloop

    from burnish.serve.http.wire.exchange import BINARY, Exchange
    from burnish.serve.http.wire.listener import Listener

    def handle(exchange: Exchange) -> None:
        body, size = answer(exchange.body, int(exchange.headers[HEADER]))
        exchange.answer(200, BINARY, body, ((HEADER, b"%d" % size),))

    async def serve() -> None:
        await Listener(handle).open(HOST, port)
        await asyncio.Event().wait()

    uvloop.run(serve())


def uvicorn(port: int) -> None:
    """Bare ASGI over uvloop and httptools."""
    from uvicorn import run

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        sent, size = answer(body, int(dict(scope["headers"])[HEADER]))
        headers = [(HEADER, b"%d" % size), (b"content-length", b"%d" % len(sent))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": sent})

    run(app, host=HOST, port=port, loop="uvloop", http="httptools", lifespan="off", log_level="error", access_log=False)


def aiohttp(port: int) -> None:
    import uvloop
    from aiohttp import web

    async def handle(request: Any) -> Any:
        sent, size = answer(await request.read(), int(request.headers[HEADER.decode()]))
        return web.Response(body=sent, headers={HEADER.decode(): str(size)})

    async def serve() -> None:
        app = web.Application()
        app.router.add_post(PATH, handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        await asyncio.Event().wait()

    uvloop.run(serve())


FRONTS: dict[str, Callable[[int], None]] = {"burnish": burnish, "uvicorn": uvicorn, "aiohttp": aiohttp}

TRITON_CONFIG = """
name: "m" backend: "python" max_batch_size: 64 dynamic_batching { }
input { name: "IN" data_type: TYPE_FP32 dims: [ 64 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 64 ] }
"""
TRITON_MODEL = """
import triton_python_backend_utils as pb
class TritonPythonModel:
    def execute(self, requests):
        given = [pb.get_input_tensor_by_name(r, "IN").as_numpy() for r in requests]
        return [pb.InferenceResponse([pb.Tensor("OUT", array)]) for array in given]
"""


def start_triton(venv: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    (package,) = venv.glob("lib/python3*/site-packages/pytriton/tritonserver")
    stub = package / "python_backend_stubs" / package.parts[-4].removeprefix("python") / "triton_python_backend_stub"
    if not (package / "backends/python/triton_python_backend_stub").exists():
        shutil.copy(stub, package / "backends/python")
    (folder / "m/1").mkdir(parents=True)
    (folder / "m/config.pbtxt").write_text(TRITON_CONFIG)
    (folder / "m/1/model.py").write_text(TRITON_MODEL)
    flags = [f"--model-repository={folder}", f"--backend-directory={package}/backends", f"--http-address={HOST}"]
    flags += [f"--http-port={port}", "--allow-grpc=false", "--allow-metrics=false", "--log-info=false"]
    path = {"PATH": f"{venv}/bin:/usr/bin:/bin"}
    return subprocess.Popen([package / "bin/tritonserver", *flags], env=path, stderr=subprocess.DEVNULL)


async def load(port: int, in_flight: int, seconds: float) -> int:
    """How many requests were answered."""
    import numpy as np
    import tritonclient.http as client
    import tritonclient.http.aio as aio

    data, count, end = np.zeros((1, 64), np.float32), 0, time.perf_counter() + seconds

    async def one(triton: Any) -> None:
        nonlocal count
        while time.perf_counter() < end:
            given = client.InferInput("IN", [1, 64], "FP32")
            given.set_data_from_numpy(data)
            (await triton.infer("m", [given])).as_numpy("OUT")
            count += 1

    async with aio.InferenceServerClient(f"{HOST}:{port}", conn_limit=64) as triton:
        await asyncio.gather(*(one(triton) for _ in range(in_flight)))
    return count


def computed_s(pid: int) -> float:
    import psutil

    process = psutil.Process(pid)
    return sum(sum(p.cpu_times()[:2]) for p in [process, *process.children(recursive=True)])


def measure(pid: int, port: int, seconds: float) -> dict[int, tuple[float, float]]:
    """By requests in flight: requests/s, and microseconds that the server computes for each."""
    deadline = time.monotonic() + 60
    while True:
        try:
            asyncio.run(load(port, 1, 0.3))
            break
        except Exception:  # it is not there yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    found = {}
    for in_flight in IN_FLIGHT:
        before, start = computed_s(pid), time.perf_counter()
        count = asyncio.run(load(port, in_flight, seconds))
        found[in_flight] = count / (time.perf_counter() - start), (computed_s(pid) - before) / count * 1e6
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def run_once(front: str, triton: Path | None, seconds: float) -> dict[int, tuple[float, float]]:
    port = free_port()
    if front == "triton":
        assert triton is not None
        with tempfile.TemporaryDirectory() as folder:
            server = start_triton(triton, Path(folder), port)
            try:
                return measure(server.pid, port, seconds)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait()
    process = multiprocessing.get_context("spawn").Process(target=FRONTS[front], args=(port,))
    process.start()
    assert process.pid is not None
    try:
        return measure(process.pid, port, seconds)
    finally:
        process.kill()
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fronts", default=",".join(FRONTS))
    parser.add_argument("--triton", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    args = parser.parse_args()
    fronts = args.fronts.split(",") + (["triton"] if args.triton else [])
    found: dict[str, list[dict[int, tuple[float, float]]]] = {front: [] for front in fronts}
    for round_ in range(args.rounds):
        for front in random.sample(fronts, len(fronts)):
            found[front].append(run_once(front, args.triton, args.seconds))
            print(f"round {round_ + 1}: {front}", file=sys.stderr)
    print(
        f"| server | requests/s at {' / '.join(map(str, IN_FLIGHT))} in flight | computes for each, us |\n|---|---|---|"
    )
    for front, rounds in found.items():
        rates = " / ".join(f"{statistics.median(r[n][0] for r in rounds):,.0f}" for n in IN_FLIGHT)
        costs = " / ".join(f"{statistics.median(r[n][1] for r in rounds):.0f}" for n in IN_FLIGHT)
        print(f"| {front} | {rates} | {costs} |")


if __name__ == "__main__":
    main()
